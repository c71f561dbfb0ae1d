//! The doors: where they listen, and what stands behind them.

use std::sync::Arc;

use coordinator::replica::Replica;
use proto::client;
use query::guardrail::Guard;
use sys::{Listener, Net};
use tokio::task::JoinSet;

use crate::{
    config::Settings,
    http, native,
    rpc::{
        admin_door::AdminDoor, client_door::ClientDoor, peer_door::PeerDoor, transport,
        weight::Scales,
    },
    shared::{Addresses, Shared},
    start::{Seams, StartError},
};

/// Open listeners.
pub(crate) struct Doors {
    peer: Box<dyn Listener>,
    client: Box<dyn Listener>,
    native: Box<dyn Listener>,
    http: Box<dyn Listener>,
}

/// Opens all doors; a port of 0 takes a free one.
pub(crate) async fn open(
    settings: &Settings,
    net: &dyn Net,
) -> Result<(Doors, Addresses), StartError> {
    check_listen(settings)?;
    let peer = open_door(settings, settings.peer_port, net).await?;
    let client = open_door(settings, settings.client_port, net).await?;
    let native = open_door(settings, settings.cql_port, net).await?;
    let http = open_door(settings, settings.http_port, net).await?;
    let or = |given: &str, port: u16| match given {
        "" => format!("{}:{port}", settings.advertise),
        given => given.to_owned(),
    };
    let addresses = Addresses {
        peer: or("", port_of(&*peer)),
        cql: or(&settings.advertise_cql, port_of(&*native)),
        client: or(&settings.advertise_client, port_of(&*client)),
        http: format!("{}:{}", settings.listen, port_of(&*http)),
    };
    Ok((Doors { peer, client, native, http }, addresses))
}

async fn open_door(
    settings: &Settings,
    port: u16,
    net: &dyn Net,
) -> Result<Box<dyn Listener>, StartError> {
    let address = format!("{}:{port}", settings.listen);
    let listener = net.listen(&address).await;
    listener.map_err(|source| StartError::Listen { address, source })
}

fn port_of(listener: &dyn Listener) -> u16 {
    listener.local_addr().map_or(0, |it| it.port())
}

fn check_listen(settings: &Settings) -> Result<(), StartError> {
    let loopback = settings.listen == "localhost"
        || settings.listen.parse::<std::net::IpAddr>().is_ok_and(|it| it.is_loopback());
    if loopback || settings.insecure {
        Ok(())
    } else {
        Err(StartError::Insecure(settings.listen.clone()))
    }
}

/// Serves on all doors until `tasks` is dropped.
pub(crate) fn spawn(
    tasks: &mut JoinSet<()>,
    doors: Doors,
    shared: &Arc<Shared>,
    local: Arc<dyn Replica>,
    guard: Arc<Guard>,
    seams: &Seams,
) {
    // All doors share what they may have in hand together.
    let scales = Scales::new(guard);
    let peer = proto::peer::peer_server::PeerServer::new(PeerDoor {
        behind: Arc::clone(shared) as _,
        local,
        scales: scales.clone(),
    })
    .max_decoding_message_size(proto::PEER_FRAME_BYTES_MAX)
    .max_encoding_message_size(proto::PEER_FRAME_BYTES_MAX);
    let most = shared.settings.connections();
    let native = native::door::Door {
        behind: Arc::clone(shared) as _,
        rng: seams.rng.clone(),
        clients: shared.clients.clone(),
        scales: scales.clone(),
        connections_max: shared.settings.cql_connections(),
        untaken_max: usize::try_from(shared.settings.memory / 10).unwrap_or(usize::MAX),
    };
    tasks.spawn(native.serve(doors.native));
    let client = client::client_server::ClientServer::new(ClientDoor {
        behind: Arc::clone(shared) as _,
        rng: seams.rng.clone(),
        scales,
    })
    .max_decoding_message_size(proto::CLIENT_FRAME_BYTES_MAX)
    .max_encoding_message_size(proto::PEER_FRAME_BYTES_MAX);
    let admin =
        proto::admin::admin_server::AdminServer::new(AdminDoor { behind: Arc::clone(shared) as _ });
    let date = || tower::util::MapResponseLayer::new(transport::fix_date);
    let peers = transport::server()
        .layer(date())
        .add_service(peer)
        .serve_with_incoming(transport::incoming(doors.peer, most));
    tasks.spawn(async move { drop(peers.await) });
    let clients = transport::server()
        .layer(date())
        .add_service(client)
        .add_service(admin)
        .serve_with_incoming(transport::incoming(doors.client, most));
    tasks.spawn(async move { drop(clients.await) });
    tasks.spawn(http::serve(doors.http, most, Arc::clone(shared) as _));
}
