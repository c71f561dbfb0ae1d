//! The first row, written and read back: `cargo run -p helenus-client --example quickstart`.
use helenus_client::{CqlTimestamp, Session};

#[derive(Debug, serde::Deserialize)]
#[expect(dead_code, reason = "printed by Debug")]
struct Message {
    sent_at: CqlTimestamp,
    content: String,
}

#[tokio::main]
async fn main() -> Result<(), helenus_client::Error> {
    let session = Session::builder().known_node("127.0.0.1:9044").build().await?;
    session.execute("CREATE KEYSPACE IF NOT EXISTS chat WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}", ()).await?;
    session.execute("CREATE TABLE IF NOT EXISTS chat.quick (id text, sent_at timestamp, content text, PRIMARY KEY (id, sent_at))", ()).await?;
    let insert = "INSERT INTO chat.quick (id, sent_at, content) VALUES (?, ?, ?)";
    session.query(insert, ("conv_123", CqlTimestamp(1_700_000_000_000), "hi")).await?;
    let select = "SELECT sent_at, content FROM chat.quick WHERE id = ?";
    println!("{:?}", session.query(select, ("conv_123",)).all::<Message>().await?);
    Ok(())
}
