//! Requests that ask for a trace: what is kept beside it.

use std::{net::SocketAddr, sync::Arc};

use model::Consistency;
use proto::cql::{batch, params::Params, primitive::Text, request::Request};
use query::{Executor, PreparedId, sessions::About};

/// Characters of the statements of a request that are kept.
pub(super) const TEXT_CHARS: usize = 1000;

/// What `request` asks for, in the words that Cassandra has for it.
pub(super) fn about(request: &Request, client: SocketAddr, executor: &Executor) -> About {
    let mut parameters = Vec::new();
    let prepared = |id: &[u8]| {
        let id = PreparedId(<[u8; 16]>::try_from(id).ok()?);
        executor.prepared_text(id).map(Source::Prepared)
    };
    let (request, text) = match request {
        Request::Query(it) => {
            of_params(&it.params, &mut parameters);
            ("Execute CQL3 query", beginning([&*it.text]))
        }
        Request::Prepare(it) => ("Preparing CQL3 query", beginning([&*it.text])),
        Request::Execute(it) => {
            of_params(&it.params, &mut parameters);
            ("Execute CQL3 prepared query", beginning(prepared(&it.id)))
        }
        Request::Batch(it) => {
            of_params(&it.params, &mut parameters);
            let texts = it.statements().filter_map(|it| match it.source {
                batch::Source::Text(text) => Some(Source::Text(text)),
                batch::Source::Prepared(id) => prepared(&id),
            });
            ("Execute batch of CQL3 queries", beginning(texts))
        }
        Request::Startup(_)
        | Request::Options
        | Request::AuthResponse(_)
        | Request::Register(_) => ("Nothing", String::new()),
    };
    if !text.is_empty() {
        parameters.push(("query", text));
    }
    parameters.sort_unstable();
    About { client, request, parameters }
}

/// Where the text of a statement is; nothing is copied that is not kept.
enum Source {
    Text(Text),
    Prepared(Arc<str>),
}

impl AsRef<str> for Source {
    fn as_ref(&self) -> &str {
        match self {
            Source::Text(text) => text,
            Source::Prepared(text) => text,
        }
    }
}

/// The beginning of these statements, one behind the other. Looks at no more of them than it takes: a
/// batch of a few bytes for each may name a long prepared statement as often as there are numbers for it.
pub(super) fn beginning<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let mut kept = String::new();
    let mut room = TEXT_CHARS;
    for text in texts {
        let between = if room == TEXT_CHARS { "" } else { "; " };
        for char in between.chars().chain(text.as_ref().chars()).take(room) {
            kept.push(char);
            room -= 1;
        }
        if room == 0 {
            break;
        }
    }
    kept
}

fn of_params(params: &Params, parameters: &mut Vec<(&'static str, String)>) {
    let level = |code: u16| Consistency::from_code(code).map(|it| it.name().to_owned());
    parameters.extend(level(params.consistency).map(|it| ("consistency_level", it)));
    let serial = params.serial_consistency.and_then(level);
    parameters.extend(serial.map(|it| ("serial_consistency_level", it)));
    parameters.extend(params.page_size.map(|it| ("page_size", it.to_string())));
}
