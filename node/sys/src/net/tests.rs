//! TCP on loopback.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Net, TcpNet};

#[tokio::test]
async fn bytes_go_both_ways() {
    let mut listener = TcpNet.listen("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut there = TcpNet.connect(&addr.to_string()).await.unwrap();
    let (mut here, from) = listener.accept().await.unwrap();
    assert_eq!(there.peer_addr(), addr);
    assert_eq!(here.peer_addr(), from);

    there.write_all(b"ping").await.unwrap();
    there.shutdown().await.unwrap();
    let mut heard = String::new();
    here.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "ping");
    here.write_all(b"pong").await.unwrap();
    drop(here);
    heard.clear();
    there.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "pong");
}

#[tokio::test]
async fn a_port_that_is_taken_is_refused() {
    let listener = TcpNet.listen("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let kind = TcpNet.listen(&addr).await.map(drop).unwrap_err().kind();
    assert_eq!(kind, std::io::ErrorKind::AddrInUse);
    drop(listener);
    let kind = TcpNet.connect(&addr).await.map(drop).unwrap_err().kind();
    assert_eq!(kind, std::io::ErrorKind::ConnectionRefused);
}
