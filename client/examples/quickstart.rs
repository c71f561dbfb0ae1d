//! The first row, written and read back: `cargo run -p helenus-client --example quickstart`.
#![expect(clippy::print_stdout, reason = "an example prints")]

use helenus_client::{CqlTimestamp, Error, Session};

const KEYSPACE: &str = "CREATE KEYSPACE IF NOT EXISTS quick WITH replication = \
    {'class': 'SimpleStrategy', 'replication_factor': 1}";
const TABLE: &str = "CREATE TABLE IF NOT EXISTS quick.messages \
    (conversation text, sent_at timestamp, content text, PRIMARY KEY (conversation, sent_at))";
const INSERT: &str = "INSERT INTO quick.messages (conversation, sent_at, content) VALUES (?, ?, ?)";
const SELECT: &str = "SELECT sent_at, content FROM quick.messages WHERE conversation = ?";

#[derive(Debug, serde::Deserialize)]
struct Message {
    sent_at: CqlTimestamp,
    content: String,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let session = Session::builder().known_node("127.0.0.1:9044").build().await?;
    session.execute(KEYSPACE, ()).await?;
    session.execute(TABLE, ()).await?;
    session.query(INSERT, ("conv_123", CqlTimestamp(1_700_000_000_000), "hi")).await?;
    for message in session.query(SELECT, ("conv_123",)).all::<Message>().await? {
        println!("{} {}", message.sent_at.0, message.content);
    }
    Ok(())
}
