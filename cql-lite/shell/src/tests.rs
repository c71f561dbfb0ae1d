//! Goldens: what scripts print, against a node that answers from a script of its own.
//! `UPDATE_GOLDENFILES=1` writes them anew.

mod parts;

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use client::Value;
use client::fake::{self, Cluster, Reply, wire};
use cql_lite::code::Code;
use futures_util::future::BoxFuture;
use goldenscript::{Command, Context, Runner};
use test_each_file::test_each_path;
use wire::{Retry, client_request, server_answer};

use crate::{ExtraCommand, Face, Format, OnError, Shell, Terminal};

test_each_path! { in "./cql-lite/shell/goldens" as goldens => run }

fn run(path: &Path) {
    let face = path.parent().and_then(Path::file_name).unwrap().to_str().unwrap().to_owned();
    goldenscript::run(&mut Bench::new(&face), path).unwrap();
}

/// A shell in front of one scripted node.
struct Bench {
    runtime: tokio::runtime::Runtime,
    shell: Shell,
    out: Sink,
    err: Sink,
}

impl Bench {
    /// The folder of a golden says how the shell looks.
    fn new(face: &str) -> Bench {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build().unwrap();
        let session = runtime.block_on(async {
            let cluster = Cluster::new();
            cluster.start("n1:9044", answer);
            cluster.builder().known_node("n1").build().await.unwrap()
        });
        let (out, err) = (Sink::default(), Sink::default());
        let terminal = Terminal {
            out: Box::new(out.clone()),
            err: Box::new(err.clone()),
            is_terminal: face == "terminal",
            width: Some(60),
            colors: false,
        };
        let format = match face {
            "csv" => Some(Format::Csv),
            "json" => Some(Format::Json),
            "jsonl" => Some(Format::Jsonl),
            "table" => Some(Format::Table),
            "vertical" => Some(Format::Vertical),
            "tsv" | "terminal" | "script" | "stop" => None,
            other => panic!("no face {other}"),
        };
        let on_error = (face != "stop").then_some(OnError::Continue);
        let shell = Shell::new(session, vec![Box::new(Echo)])
            .with_terminal(terminal)
            .with_face(&Face { format, on_error });
        Bench { runtime, shell, out, err }
    }
}

impl Runner for Bench {
    type Command = Command;

    /// Runs a line as a script. Lines of standard error begin with `!`.
    fn run(&mut self, command: &Command, _: &Context) -> Result<String, Box<dyn Error>> {
        let text = command.name.replace("\\n", "\n");
        let code = self.runtime.block_on(self.shell.run_statements(&text));
        let mut printed = self.out.take();
        for line in self.err.take().lines() {
            printed.push_str(&format!("! {}\n", timeless(line)));
        }
        if code != 0 {
            printed.push_str(&format!("exit {code}\n"));
        }
        Ok(printed)
    }
}

/// The line without the time that something took.
fn timeless(line: &str) -> String {
    let parts = line.split(" · ").filter(|part| !part.ends_with(" ms"));
    parts.collect::<Vec<_>>().join(" · ")
}

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An added command that says what it was told.
struct Echo;

impl ExtraCommand for Echo {
    fn name(&self) -> &str {
        "echo"
    }

    fn help(&self) -> &str {
        "says what it was told"
    }

    fn run<'a>(&'a mut self, arguments: &'a [String]) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            match arguments {
                [] => Err("nothing to say".to_owned()),
                some => Ok(some.join(" ")),
            }
        })
    }
}

/// What the node answers.
fn answer(request: &wire::ClientRequest) -> Reply {
    match &request.body {
        Some(client_request::Body::Query(query)) => query_answer(query),
        Some(client_request::Body::Describe(describe)) => {
            Reply::Answer(fake::text(&format!("-- {}\nCREATE …;\n", describe.what)))
        }
        Some(
            client_request::Body::Prepare(_)
            | client_request::Body::Execute(_)
            | client_request::Body::ExecuteMany(_),
        )
        | None => Reply::Hangup,
    }
}

fn query_answer(query: &wire::Query) -> Reply {
    let int = |number| Some(Value::Int(number));
    let text = |text: &str| Some(Value::Text(text.to_owned()));
    let error = |code, retry, message| Reply::Answer(fake::error(code, retry, message));
    let words: Vec<&str> = query.text.split_whitespace().collect();
    match words.as_slice() {
        [.., "people"] => Reply::Answer(fake::rows(
            &[("id", "int"), ("name", "text"), ("seen", "timestamp")],
            &[
                vec![int(1), text("Ada"), Some(Value::Timestamp(0))],
                vec![int(22), text("Grete"), None],
                vec![int(333), text(""), Some(Value::Timestamp(1_700_000_000_000))],
            ],
        )),
        [.., "nobody"] => Reply::Answer(fake::rows(&[("id", "int"), ("name", "text")], &[])),
        [.., "nasty"] => Reply::Answer(fake::rows(
            &[("k,\"x", "text"), ("n", "double"), ("b", "blob")],
            &[
                vec![text("tab\there"), Some(Value::Double(1.0)), Some(Value::Blob(vec![0xca]))],
                vec![text("two\nlines\\"), Some(Value::Double(f64::NAN)), None],
                vec![text(""), None, Some(Value::Blob(Vec::new()))],
                vec![text("\"\""), Some(Value::Empty), None],
                vec![text("a,b \"c\"\u{1b}[31m é"), Some(Value::Double(1e300)), None],
                vec![text("turned \u{202e}dnuora"), None, None],
                vec![text("日本語 😀 e\u{301}"), Some(Value::Double(-0.5)), None],
            ],
        )),
        [.., "wide"] => Reply::Answer(fake::rows(
            &[("id", "int"), ("story", "text")],
            &[vec![int(1), text(&"long ".repeat(20))], vec![int(2), None]],
        )),
        [.., "pages"] => {
            let state = query.options.as_ref().map_or(&b""[..], |it| it.paging_state.as_ref());
            let columns = [("n", "int")];
            Reply::Answer(server_answer::Body::Rows(match state {
                b"" => fake::page(&columns, &[vec![int(1)], vec![int(2)]], b"more"),
                _ => fake::page(&columns, &[vec![int(3)]], b""),
            }))
        }
        ["USE", keyspace] => {
            let keyspace = (*keyspace).to_owned();
            Reply::Answer(server_answer::Body::SetKeyspace(wire::SetKeyspace { keyspace }))
        }
        [.., "FORM", _] => Reply::Answer(server_answer::Body::Error(wire::Error {
            code: Code::Syntax.to_string(),
            message: "no viable input near 'FORM'".to_owned(),
            hint: "did you mean `FROM`?".to_owned(),
            span_start: 9,
            span_end: 13,
            ..wire::Error::default()
        })),
        [.., "down"] => {
            unavailable("QUORUM needs 2 replicas and finds 1 alive", &["n2:9044", "n3:9044"])
        }
        [.., "named"] => {
            unavailable("ALL needs 3 replicas and finds 2 alive; missing: n2:9044", &["n2:9044"])
        }
        [.., "late"] => {
            error(Code::WriteTimeout, Retry::UnknownOutcome, "1 of 2 replicas answered")
        }
        [.., "forbidden"] => error(Code::Unauthorized, Retry::No, "not yours"),
        ["UPDATE", "silent"] => Reply::Silence,
        ["UPDATE", "lost"] => Reply::Hangup,
        _ => Reply::Answer(fake::done()),
    }
}

fn unavailable(message: &str, missing: &[&str]) -> Reply {
    Reply::Answer(server_answer::Body::Error(wire::Error {
        code: Code::Unavailable.to_string(),
        message: message.to_owned(),
        retry: Retry::Safe.into(),
        missing: missing.iter().map(ToString::to_string).collect(),
        ..wire::Error::default()
    }))
}
