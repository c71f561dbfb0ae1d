//! The program of the README: `cargo run -p helenus-client --example quickstart`.
#![expect(clippy::print_stdout, reason = "an example prints")]

use helenus_client::{CqlTimestamp, Error, Session};

#[derive(Debug, serde::Deserialize)]
struct Order {
    placed: CqlTimestamp,
    total: f64,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let session = Session::builder().known_node("127.0.0.1:9044").build().await?;
    let insert = "INSERT INTO shop.orders (customer, placed, total) VALUES (?, ?, ?)";
    session.query(insert, ("ada", CqlTimestamp(1_705_312_800_000), 12.5)).await?;
    let select = "SELECT placed, total FROM shop.orders WHERE customer = ? LIMIT 50";
    for order in session.query(select, ("ada",)).all::<Order>().await? {
        println!("{} ms since 1970: {}", order.placed.0, order.total);
    }
    Ok(())
}
