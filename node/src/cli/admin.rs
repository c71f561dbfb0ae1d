//! The operators' commands: thin callers of the admin door.

use std::{future::Future, sync::Arc, time::Duration};

use clap::{Args, ValueEnum};
use proto::admin::{self, admin_client::AdminClient};
use serde_json::json;
use sys::{Net, TcpNet};
use tonic::transport::Channel;

use super::{Exit, complain, print};
use crate::{config::parse_duration, rpc::transport};

/// How long an operator's call may take; flush and compact may take long.
const CALL_TIMEOUT: Duration = Duration::from_secs(3600);

/// How often `health --wait` asks.
const HEALTH_INTERVAL: Duration = Duration::from_millis(200);

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Which node to ask.
#[derive(Clone, Debug, Args)]
pub(super) struct Target {
    /// Client address of the node
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9044")]
    node: String,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// `helenus health`
#[derive(Clone, Debug, Args)]
pub(super) struct HealthArgs {
    #[command(flatten)]
    target: Target,
    /// Wait for health this long, for example 30s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    wait: Option<Duration>,
}

/// `helenus flush` and `helenus compact`
#[derive(Clone, Debug, Args)]
pub(super) struct TableArgs {
    /// KEYSPACE.TABLE; without it, everything
    table: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// `helenus where`
#[derive(Clone, Debug, Args)]
pub(super) struct WhereArgs {
    /// KEYSPACE.TABLE
    table: String,
    /// The partition key as CQL writes it; several components separated by commas
    key: String,
    #[command(flatten)]
    target: Target,
}

/// `helenus version`
#[derive(Clone, Debug, Args)]
pub(super) struct VersionArgs {
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// `helenus config show`
#[derive(Clone, Debug, Args)]
pub(super) struct ConfigArgs {
    /// Say where each value came from
    #[arg(long)]
    origin: bool,
    #[command(flatten)]
    target: Target,
}

impl Target {
    pub(super) fn format(&self) -> Format {
        self.format
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "expected a duration such as 30s".to_owned())
}

/// What an operator's call ended with.
pub(super) enum Failure {
    /// The node could not be reached.
    Connect(String),
    /// It was reached and refused.
    Refused(String),
    /// It did not answer in time.
    Late,
}

impl Failure {
    pub(super) fn report(self, target: &Target) -> Exit {
        match self {
            Failure::Connect(why) => {
                let text = format!("cannot connect to {}: {why}", target.node);
                complain(cql_lite::code::Code::CannotConnect, text);
                Exit::Connect
            }
            Failure::Refused(why) => {
                eprintln!("error: {why}");
                Exit::Error
            }
            Failure::Late => {
                eprintln!("error: {} did not answer in time", target.node);
                Exit::Unknown
            }
        }
    }
}

/// Connects to the node and makes one call.
pub(super) fn call<T, F>(
    target: &Target,
    talk: impl FnOnce(AdminClient<Channel>) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<tonic::Response<T>, tonic::Status>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Connect(error.to_string()))?;
    runtime.block_on(async {
        let client = connect(&target.node).await?;
        match tokio::time::timeout(CALL_TIMEOUT, talk(client)).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(failure(&status)),
            Err(_) => Err(Failure::Late),
        }
    })
}

async fn connect(node: &str) -> Result<AdminClient<Channel>, Failure> {
    let net: Arc<dyn Net> = Arc::new(TcpNet);
    let channel = transport::connect(&net, node).await;
    channel.map(AdminClient::new).map_err(|status| Failure::Connect(status.message().into()))
}

fn failure(status: &tonic::Status) -> Failure {
    let code = status.code();
    if code == tonic::Code::Unavailable {
        Failure::Connect(status.message().into())
    } else if matches!(code, tonic::Code::DeadlineExceeded | tonic::Code::Cancelled) {
        Failure::Late
    } else {
        Failure::Refused(status.message().into())
    }
}

/// `helenus status`
pub(super) fn status(target: Target) -> Exit {
    let answer = call(&target, |mut it| async move { it.status(admin::StatusRequest {}).await });
    let answer = match answer {
        Ok(answer) => answer,
        Err(failure) => return failure.report(&target),
    };
    match target.format {
        Format::Json => print(status_json(&answer)),
        Format::Text => print_status(&answer),
    }
    Exit::Done
}

fn status_json(answer: &admin::StatusAnswer) -> String {
    let nodes: Vec<serde_json::Value> = answer
        .nodes
        .iter()
        .map(|it| {
            json!({
                "state": it.state, "address": it.address, "client_address": it.client_addr,
                "load_bytes": it.load_bytes, "tokens": it.tokens, "owns": it.owns,
                "host_id": it.host_id, "dc": it.dc, "rack": it.rack, "version": it.version,
                "uptime_seconds": it.uptime_seconds, "pending_hints": it.pending_hints,
                "clock_skew_seconds": it.clock_skew_micros as f64 / 1e6,
            })
        })
        .collect();
    json!({
        "cluster": answer.cluster_name, "epoch": answer.epoch, "host_id": answer.host_id,
        "verdict": answer.verdict, "clocks": answer.clocks, "nodes": nodes,
    })
    .to_string()
}

fn print_status(answer: &admin::StatusAnswer) {
    print(format!("Cluster: {}   Epoch: {}", answer.cluster_name, answer.epoch));
    let mut dcs: Vec<&str> = answer.nodes.iter().map(|it| it.dc.as_str()).collect();
    dcs.sort_unstable();
    dcs.dedup();
    for dc in dcs {
        print(format!("Datacenter: {dc}"));
        print(format!(
            "--  {:<22} {:>10}  {:>6}  {:>6}  {:<36}  {:<8}  {:<8} {:>9} {:>7}",
            "Address", "Load", "Tokens", "Owns", "Host ID", "Rack", "Version", "Uptime", "Hints"
        ));
        let mut nodes: Vec<_> = answer.nodes.iter().filter(|it| it.dc == dc).collect();
        nodes.sort_unstable_by_key(|it| &it.address);
        for it in nodes {
            print(format!(
                "{}  {:<22} {:>10}  {:>6}  {:>5.1}%  {:<36}  {:<8}  {:<8} {:>8}s {:>7}",
                it.state,
                it.address,
                human_bytes(it.load_bytes),
                it.tokens,
                it.owns * 100.0,
                it.host_id,
                it.rack,
                // A node knows its own version only.
                if it.version.is_empty() { "?" } else { &it.version },
                it.uptime_seconds,
                it.pending_hints,
            ));
        }
    }
    print(&answer.verdict);
    for clock in &answer.clocks {
        print(format!("Look at the time service: {clock}."));
    }
}

pub(super) fn human_bytes(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while 1024.0 <= value && unit < 4 {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}

/// `helenus health`
pub(super) fn health(args: HealthArgs) -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return Exit::Error };
    let outcome = runtime.block_on(async {
        let asking = async {
            loop {
                let outcome = ask_health(&args.target.node).await;
                let healthy = matches!(&outcome, Ok(answer) if answer.healthy);
                if healthy || args.wait.is_none() {
                    return outcome;
                }
                tokio::time::sleep(HEALTH_INTERVAL).await;
            }
        };
        match tokio::time::timeout(args.wait.unwrap_or(CALL_TIMEOUT), asking).await {
            Ok(outcome) => outcome,
            Err(_) => ask_health(&args.target.node).await,
        }
    });
    match outcome {
        Ok(answer) => {
            let exit = if answer.healthy { Exit::Done } else { Exit::Unhealthy };
            match args.target.format {
                Format::Json => {
                    print(json!({"healthy": answer.healthy, "reasons": answer.reasons}).to_string())
                }
                Format::Text if answer.healthy => print("healthy"),
                Format::Text => print(format!("unhealthy: {}", answer.reasons.join("; "))),
            }
            exit
        }
        Err(failure) => {
            let exit = failure.report(&args.target);
            // Whoever waits for health wants to know that there is none.
            if exit == Exit::Connect && args.wait.is_some() { Exit::Unhealthy } else { exit }
        }
    }
}

async fn ask_health(node: &str) -> Result<admin::HealthAnswer, Failure> {
    let mut client = connect(node).await?;
    let answer = client.health(admin::HealthRequest {}).await.map_err(|it| failure(&it))?;
    Ok(answer.into_inner())
}

/// `helenus flush`
pub(super) fn flush(args: TableArgs) -> Exit {
    let request = args.request();
    let answer = call(&args.target, |mut it| async move { it.flush(request).await });
    report_done(&args.target, answer)
}

/// `helenus compact`
pub(super) fn compact(args: TableArgs) -> Exit {
    let request = args.request();
    let answer = call(&args.target, |mut it| async move { it.compact(request).await });
    report_done(&args.target, answer)
}

/// `helenus drain`
pub(super) fn drain(target: Target) -> Exit {
    let answer = call(&target, |mut it| async move { it.drain(admin::DrainRequest {}).await });
    report_done(&target, answer)
}

impl TableArgs {
    fn request(&self) -> admin::TableRequest {
        let name = self.table.clone().unwrap_or_default();
        let (keyspace, table) = name.split_once('.').unwrap_or((&name, ""));
        admin::TableRequest { keyspace: keyspace.into(), table: table.into() }
    }
}

fn report_done(target: &Target, answer: Result<admin::DoneAnswer, Failure>) -> Exit {
    match answer {
        Ok(answer) => {
            match target.format {
                Format::Text => print(answer.message),
                Format::Json => print(json!({"done": answer.message}).to_string()),
            }
            Exit::Done
        }
        Err(failure) => failure.report(target),
    }
}

/// `helenus where`
pub(super) fn locate(args: WhereArgs) -> Exit {
    let Some((keyspace, table)) = args.table.split_once('.') else {
        eprintln!("error: name the table as KEYSPACE.TABLE");
        return Exit::Usage;
    };
    let request = admin::WhereRequest {
        keyspace: keyspace.into(),
        table: table.into(),
        key: args.key.clone(),
    };
    let answer = call(&args.target, |mut it| async move { it.r#where(request).await });
    match answer {
        Ok(answer) => {
            match args.target.format {
                Format::Text => {
                    print(format!("token {}", answer.token));
                    for it in &answer.replicas {
                        print(format!("{}  {:<22} {}", it.state, it.address, it.host_id));
                    }
                }
                Format::Json => {
                    let replicas: Vec<serde_json::Value> = answer
                        .replicas
                        .iter()
                        .map(|it| {
                            json!({"state": it.state, "address": it.address, "host_id": it.host_id})
                        })
                        .collect();
                    print(json!({"token": answer.token, "replicas": replicas}).to_string());
                }
            }
            Exit::Done
        }
        Err(failure) => failure.report(&args.target),
    }
}

/// `helenus version`
pub(super) fn version(args: VersionArgs) -> Exit {
    let it = crate::version::answer();
    match args.format {
        Format::Text => print(format!(
            "helenus {}\npeer protocol {}\nclient protocol {}\ndata format {}",
            it.version, it.peer_protocol, it.client_protocol, it.data_format
        )),
        Format::Json => print(
            json!({
                "version": it.version, "peer_protocol": it.peer_protocol,
                "client_protocol": it.client_protocol, "data_format": it.data_format,
            })
            .to_string(),
        ),
    }
    Exit::Done
}

/// `helenus config show`
pub(super) fn config(args: ConfigArgs) -> Exit {
    let answer =
        call(&args.target, |mut it| async move { it.config(admin::ConfigRequest {}).await });
    let answer = match answer {
        Ok(answer) => answer,
        Err(failure) => return failure.report(&args.target),
    };
    match args.target.format {
        Format::Text => {
            for it in &answer.settings {
                let origin =
                    if args.origin { format!("   # {}", it.origin) } else { String::new() };
                print(format!("{} = \"{}\"{origin}", it.key, it.value));
            }
        }
        Format::Json => {
            let settings: Vec<serde_json::Value> = answer
                .settings
                .iter()
                .map(|it| json!({"key": it.key, "value": it.value, "origin": it.origin}))
                .collect();
            print(serde_json::Value::from(settings).to_string());
        }
    }
    Exit::Done
}
