//! Loads sample data through the client crate, with a progress bar.

use std::{
    fmt::Write,
    future::{Future, IntoFuture},
};

use client::{CqlTimestamp, Error, Session};
use cql_lite::value::Value;
use futures_util::{StreamExt, TryStreamExt, stream};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use super::sample::{self, MESSAGES, METRIC_ROWS, Sample};

/// Writes in flight at once.
const IN_FLIGHT: usize = 512;

/// Rows between two looks at the bar.
const BAR_STEP: u64 = 256;

/// 2024-01-15 as CQL `date`: days, centered on 2^31.
const DAY: u32 = (1 << 31) + 19_737;

/// Makes the tables of `data` and fills them, replicated `copies` times. The bar is drawn on a
/// terminal only.
pub(super) async fn load(session: &Session, data: Sample, copies: usize) -> Result<(), Error> {
    for statement in sample::schema(data, copies) {
        session.execute(statement.as_str(), ()).await?;
    }
    match data {
        Sample::Metrics => load_metrics(session).await,
        Sample::Chat => load_chat(session).await,
    }
}

async fn load_metrics(session: &Session) -> Result<(), Error> {
    let insert = session
        .prepare(
            "INSERT INTO metrics.server_metrics \
             (server_id, metric_date, timestamp, metric_name, value) VALUES (?, ?, ?, ?, ?)",
        )
        .await?;
    let bar = bar("metrics.server_metrics", METRIC_ROWS);
    let writes = stream::iter(sample::metrics()).map(|row| {
        let values =
            ("server-1", Value::Date(DAY), CqlTimestamp(row.timestamp), row.name, row.value);
        session.execute(&insert, values).into_future()
    });
    drain(writes, &bar).await
}

async fn load_chat(session: &Session) -> Result<(), Error> {
    let insert = session
        .prepare(
            "INSERT INTO chat.messages (conversation_id, sent_at, sender, content) \
             VALUES (?, ?, ?, ?)",
        )
        .await?;
    let bar = bar("chat.messages", MESSAGES);
    let writes = stream::iter(sample::messages()).map(|it| {
        let values = (it.conversation, CqlTimestamp(it.sent_at), it.sender, it.content);
        session.execute(&insert, values).into_future()
    });
    drain(writes, &bar).await
}

async fn drain<F, T>(writes: impl stream::Stream<Item = F>, bar: &ProgressBar) -> Result<(), Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut done = 0_u64;
    let mut writes = std::pin::pin!(writes.buffer_unordered(IN_FLIGHT));
    while writes.try_next().await?.is_some() {
        done += 1;
        if done.is_multiple_of(BAR_STEP) {
            bar.set_position(done);
        }
    }
    bar.finish();
    Ok(())
}

fn bar(table: &'static str, rows: u64) -> ProgressBar {
    let style = "{msg} {bar:40} {human_pos}/{human_len} rows, {rate}, {eta} left";
    let style =
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    let rate = |state: &ProgressState, out: &mut dyn Write| {
        // Drawing fails only together with the terminal.
        write!(out, "{:.0} a second", state.per_sec()).ok();
    };
    let style = style.with_key("rate", rate);
    ProgressBar::new(rows).with_style(style).with_message(table)
}
