//! The whole program, from flags to exit code.

use std::io::{IsTerminal as _, Write as _};

use client::{Error, Session};

use crate::failure::Failure;
use crate::options::Options;
use crate::shell::Shell;
use crate::terminal::Terminal;

/// Connects, runs what the flags say, and tells the exit code.
pub async fn run(options: Options) -> u8 {
    let mut terminal = Terminal::standard();
    match open(&options).await {
        Ok(session) => {
            let mut shell = Shell::new(session, Vec::new())
                .with_terminal(terminal)
                .with_face(&options.face)
                .with_consistency(options.consistency);
            if options.work.is_empty() && std::io::stdin().is_terminal() {
                shell.greet();
            }
            shell.run(&options.work).await
        }
        Err(error) => {
            let failure = Failure::Client(error);
            let text = failure.render("", terminal.layout());
            // Nobody is left to tell if even that fails.
            drop(writeln!(terminal.err, "{text}"));
            failure.exit_code()
        }
    }
}

/// A session, with its keyspace chosen.
async fn open(options: &Options) -> Result<Session, Error> {
    let mut builder = Session::builder()
        .consistency(options.consistency)
        .connect_timeout(options.connect_timeout)
        .request_timeout(options.request_timeout);
    for node in &options.nodes {
        builder = builder.known_node(node);
    }
    let session = builder.build().await?;
    if let Some(keyspace) = &options.keyspace {
        session.execute(format!("USE {}", as_name(keyspace)), ()).await?;
    }
    Ok(session)
}

/// A name as CQL writes it: as it is if it could be one, in quotes otherwise.
fn as_name(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let quoted = 2 <= name.len() && name.starts_with('"') && name.ends_with('"');
    if plain || quoted { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}
