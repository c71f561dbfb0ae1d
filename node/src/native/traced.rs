//! Requests that ask for a trace: what is kept beside it.

use std::net::SocketAddr;

use model::Consistency;
use proto::cql::{batch, params::Params, request::Request};
use query::{Executor, PreparedId, sessions::About};

/// Characters of a statement's text that are kept.
const TEXT_CHARS: usize = 1000;

/// What `request` asks for, in the words that Cassandra has for it.
pub(super) fn about(request: &Request, client: SocketAddr, executor: &Executor) -> About {
    let mut parameters = Vec::new();
    let mut texts = Vec::new();
    let prepared = |id: &[u8]| {
        let id = PreparedId(<[u8; 16]>::try_from(id).ok()?);
        executor.prepared_text(id).map(|it| it.to_string())
    };
    let request = match request {
        Request::Query(it) => {
            texts.push(it.text.to_string());
            of_params(&it.params, &mut parameters);
            "Execute CQL3 query"
        }
        Request::Prepare(it) => {
            texts.push(it.text.to_string());
            "Preparing CQL3 query"
        }
        Request::Execute(it) => {
            texts.extend(prepared(&it.id));
            of_params(&it.params, &mut parameters);
            "Execute CQL3 prepared query"
        }
        Request::Batch(it) => {
            texts.extend(it.statements().filter_map(|it| match it.source {
                batch::Source::Text(text) => Some(text.to_string()),
                batch::Source::Prepared(id) => prepared(&id),
            }));
            of_params(&it.params, &mut parameters);
            "Execute batch of CQL3 queries"
        }
        Request::Startup(_)
        | Request::Options
        | Request::AuthResponse(_)
        | Request::Register(_) => "Nothing",
    };
    if !texts.is_empty() {
        let text: String = texts.join("; ").chars().take(TEXT_CHARS).collect();
        parameters.push(("query", text));
    }
    parameters.sort_unstable();
    About { client, request, parameters }
}

fn of_params(params: &Params, parameters: &mut Vec<(&'static str, String)>) {
    let level = |code: u16| Consistency::from_code(code).map(|it| it.name().to_owned());
    parameters.extend(level(params.consistency).map(|it| ("consistency_level", it)));
    let serial = params.serial_consistency.and_then(level);
    parameters.extend(serial.map(|it| ("serial_consistency_level", it)));
    parameters.extend(params.page_size.map(|it| ("page_size", it.to_string())));
}
