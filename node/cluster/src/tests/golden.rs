//! Timelines of clusters as pages that one can read.

use std::{error::Error, path::Path};

use test_each_file::test_each_path;

use super::*;

test_each_path! { in "node/cluster/goldens/cluster" as golden => run }

fn run(path: &Path) {
    goldenscript::run(&mut Runner { world: World::new(1, 0), told: 0 }, path).expect("golden");
}

struct Runner {
    world: World,
    told: usize,
}

#[derive(goldenscript::Command)]
enum Command {
    /// So many founders, which know of each other: `nodes 3`.
    Nodes(usize),
    /// A node more, with the same seeds: it is no founder.
    Stranger,
    /// Lets time pass: `run 2500ms`, `run 5s`.
    Run(String),
    /// Stops a node at once.
    Kill(usize),
    /// Starts it again with its disk.
    Start(usize),
    /// Takes its disk away and starts it.
    Wipe(usize),
    /// Loses what the first sends to the second.
    Cut(usize, usize),
    /// Mends all links.
    Heal,
    /// The first finds its stream to the second broken.
    Disconnect(usize, usize),
    /// Proposes a keyspace on a node.
    Keyspace(usize, String),
    /// Says that a node takes no more requests.
    Drain(usize),
    /// Prints each node's members and schema.
    Show,
}

impl goldenscript::Runner for Runner {
    type Command = Command;

    fn run(
        &mut self,
        command: &Command,
        _: &goldenscript::Context,
    ) -> Result<String, Box<dyn Error>> {
        let world = &mut self.world;
        match command {
            Command::Nodes(count) => *world = World::new(1, *count),
            Command::Stranger => {
                world.add(|_| {});
            }
            Command::Run(time) => {
                let millis = match time.strip_suffix("ms") {
                    Some(millis) => millis.parse()?,
                    None => time.strip_suffix('s').ok_or("run 5s")?.parse::<u64>()? * 1_000,
                };
                world.run(Duration::from_millis(millis));
            }
            Command::Kill(node) => world.kill(*node),
            Command::Start(node) => world.start(*node, |_| {}),
            Command::Wipe(node) => world.wipe(*node),
            Command::Cut(from, to) => {
                world.cut.insert((*from, *to));
            }
            Command::Heal => world.heal(),
            Command::Disconnect(node, peer) => {
                let host = world.host(*peer);
                world.call(*node, |it, now, rng| it.on_peer_disconnected(host, now, rng));
            }
            Command::Keyspace(node, name) => {
                world.propose(*node, keyspace(name, 3));
            }
            Command::Drain(node) => {
                world.call(*node, |it, now, rng| it.set_status(Status::Draining, now, rng));
            }
            Command::Show => return Ok(show(world)),
        }
        let lines: String = world.trace[self.told..].iter().map(|it| format!("{it}\n")).collect();
        self.told = world.trace.len();
        Ok(lines)
    }
}

fn show(world: &World) -> String {
    let mut out = String::new();
    for node in (0..world.count()).filter(|it| world.runs(*it)) {
        let metadata = world.metadata(node);
        let keyspaces: Vec<&str> = metadata.schema.keyspaces.keys().map(String::as_str).collect();
        let members: Vec<&str> = metadata.nodes.values().map(|it| it.peer_addr.as_str()).collect();
        let (epoch, members, keyspaces) = (metadata.epoch, members.join(" "), keyspaces.join(" "));
        out.push_str(&format!(
            "n{node} epoch {epoch}, members [{members}], keyspaces [{keyspaces}]\n"
        ));
    }
    out
}
