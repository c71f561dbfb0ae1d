//! The bytes of messages.

use std::time::Duration;

use model::{
    HostId,
    codec::{Malformed, Reader, Writer},
};
use uuid::Uuid;

use super::Message;
use crate::{
    codec::{Wire, get_all, get_u32, put_all},
    founding::{Hello, Refused},
    gossip::{Beat, Heartbeat, State, Status},
    metadata::Metadata,
    paxos::{Ballot, Reply, Request},
};

impl Wire for Message {
    fn put(&self, out: &mut Writer) {
        match self {
            Message::Hello(hello) => {
                out.u8(0);
                hello.put(out);
            }
            Message::Refuse(refused) => {
                out.u8(1);
                refused.put(out);
            }
            Message::Heartbeat(Heartbeat { state, heard, held, wall_micros }) => {
                out.u8(2);
                state.put(out);
                heard.put(out);
                out.uint(u64::try_from(held.as_micros()).unwrap_or(u64::MAX));
                out.int(*wall_micros);
            }
            Message::Digest { known } => {
                out.u8(3);
                put_all(out, known.iter());
            }
            Message::Difference { states, wanted } => {
                out.u8(4);
                put_all(out, states.iter());
                put_all(out, wanted.iter());
            }
            Message::States { states } => {
                out.u8(5);
                put_all(out, states.iter());
            }
            Message::Ask { epoch, request } => {
                out.u8(6);
                out.uint(*epoch);
                request.put(out);
            }
            Message::Answer { epoch, reply } => {
                out.u8(7);
                out.uint(*epoch);
                reply.put(out);
            }
            Message::Fetch { after } => {
                out.u8(8);
                out.uint(*after);
            }
            Message::Entries { entries, latest } => {
                out.u8(9);
                put_all(out, entries.iter());
                out.uint(*latest);
            }
            Message::Snapshot(metadata) => {
                out.u8(10);
                metadata.put(out);
            }
        }
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(match input.u8("message")? {
            0 => Message::Hello(Box::new(Hello::get(input)?)),
            1 => Message::Refuse(Refused::get(input)?),
            2 => {
                let state = State::get(input)?;
                let heard = Beat::get(input)?;
                let held = Duration::from_micros(input.uint("time since a heartbeat")?);
                let wall_micros = input.int("wall clock")?;
                Message::Heartbeat(Heartbeat { state, heard, held, wall_micros })
            }
            3 => Message::Digest { known: get_all(input, "digest")? },
            4 => {
                let states = get_all(input, "states")?;
                Message::Difference { states, wanted: get_all(input, "wanted")? }
            }
            5 => Message::States { states: get_all(input, "states")? },
            6 => {
                let epoch = input.uint("epoch")?;
                Message::Ask { epoch, request: Request::get(input)? }
            }
            7 => {
                let epoch = input.uint("epoch")?;
                Message::Answer { epoch, reply: Reply::get(input)? }
            }
            8 => Message::Fetch { after: input.uint("epoch")? },
            9 => {
                let entries = get_all(input, "entries")?;
                Message::Entries { entries, latest: input.uint("epoch")? }
            }
            10 => Message::Snapshot(Box::new(Metadata::get(input)?)),
            _ => return Err(input.malformed("message")),
        })
    }
}

impl Wire for Hello {
    fn put(&self, out: &mut Writer) {
        self.host_id.put(out);
        out.uint(self.generation);
        let texts = [
            &self.cluster_name,
            &self.peer_addr,
            &self.cql_addr,
            &self.client_addr,
            &self.dc,
            &self.rack,
        ];
        for text in texts {
            text.put(out);
        }
        out.uint(u64::from(self.num_tokens));
        put_all(out, self.founders.iter());
        self.cluster_id.put(out);
        out.uint(self.epoch);
        self.answer.put(out);
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Hello {
            host_id: HostId::get(input)?,
            generation: input.uint("generation")?,
            cluster_name: String::get(input)?,
            peer_addr: String::get(input)?,
            cql_addr: String::get(input)?,
            client_addr: String::get(input)?,
            dc: String::get(input)?,
            rack: String::get(input)?,
            num_tokens: get_u32(input, "tokens")?,
            founders: get_all(input, "founders")?,
            cluster_id: Option::get(input)?,
            epoch: input.uint("epoch")?,
            answer: bool::get(input)?,
        })
    }
}

impl Wire for Refused {
    fn put(&self, out: &mut Writer) {
        match self {
            Refused::NotAFounder { by } => {
                out.u8(0);
                by.put(out);
            }
            Refused::NotASeed { by } => {
                out.u8(5);
                by.put(out);
            }
            Refused::OtherClusterName { by, name } => {
                out.u8(1);
                by.put(out);
                name.put(out);
            }
            Refused::OtherCluster { by, cluster_id } => {
                out.u8(2);
                by.put(out);
                cluster_id.put(out);
            }
            Refused::FoundersDiffer { by, seeds } => {
                out.u8(3);
                by.put(out);
                put_all(out, seeds.iter());
            }
            Refused::DuplicateHostId { by, host_id } => {
                out.u8(4);
                by.put(out);
                host_id.put(out);
            }
        }
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        let tag = input.u8("refusal")?;
        let by = String::get(input)?;
        Ok(match tag {
            0 => Refused::NotAFounder { by },
            1 => Refused::OtherClusterName { by, name: String::get(input)? },
            2 => Refused::OtherCluster { by, cluster_id: Uuid::get(input)? },
            3 => Refused::FoundersDiffer { by, seeds: get_all(input, "seeds")? },
            4 => Refused::DuplicateHostId { by, host_id: HostId::get(input)? },
            5 => Refused::NotASeed { by },
            _ => return Err(input.malformed("refusal")),
        })
    }
}

impl Wire for Beat {
    fn put(&self, out: &mut Writer) {
        out.uint(self.generation);
        out.uint(self.version);
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Beat { generation: input.uint("generation")?, version: input.uint("version")? })
    }
}

impl Wire for State {
    fn put(&self, out: &mut Writer) {
        self.host_id.put(out);
        self.beat.put(out);
        self.peer_addr.put(out);
        out.uint(self.epoch);
        out.uint(self.load_bytes);
        out.u8(match self.status {
            Status::Normal => 0,
            Status::Draining => 1,
        });
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(State {
            host_id: HostId::get(input)?,
            beat: Beat::get(input)?,
            peer_addr: String::get(input)?,
            epoch: input.uint("epoch")?,
            load_bytes: input.uint("load")?,
            status: match input.u8("status")? {
                0 => Status::Normal,
                1 => Status::Draining,
                _ => return Err(input.malformed("status")),
            },
        })
    }
}

impl<V: Wire> Wire for Request<V> {
    fn put(&self, out: &mut Writer) {
        match self {
            Request::Prepare(ballot) => {
                out.u8(0);
                ballot.put(out);
            }
            Request::Accept(ballot, value) => {
                out.u8(1);
                ballot.put(out);
                value.put(out);
            }
        }
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        match input.u8("request")? {
            0 => Ballot::get(input).map(Request::Prepare),
            1 => Ok(Request::Accept(Ballot::get(input)?, V::get(input)?)),
            _ => Err(input.malformed("request")),
        }
    }
}

impl<V: Wire> Wire for Reply<V> {
    fn put(&self, out: &mut Writer) {
        match self {
            Reply::Promised { ballot, accepted } => {
                out.u8(0);
                ballot.put(out);
                accepted.put(out);
            }
            Reply::Accepted { ballot } => {
                out.u8(1);
                ballot.put(out);
            }
            Reply::Rejected { ballot, promised } => {
                out.u8(2);
                ballot.put(out);
                promised.put(out);
            }
        }
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        let tag = input.u8("reply")?;
        let ballot = Ballot::get(input)?;
        match tag {
            0 => Ok(Reply::Promised { ballot, accepted: Option::get(input)? }),
            1 => Ok(Reply::Accepted { ballot }),
            2 => Ok(Reply::Rejected { ballot, promised: Ballot::get(input)? }),
            _ => Err(input.malformed("reply")),
        }
    }
}
