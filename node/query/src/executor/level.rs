//! Which consistency levels go with what.

use cql_lite::code::Code;
use model::Consistency;

use crate::{Error, plan::write::Write};

/// What a consistency level is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Reading rows.
    Read,
    /// Writing them.
    Write,
    /// Adding to counters.
    Increment,
}

impl Use {
    /// What these are for together.
    pub(super) fn of<'w>(writes: impl IntoIterator<Item = &'w Write>) -> Use {
        let increments = writes.into_iter().any(Write::is_increment);
        if increments { Use::Increment } else { Use::Write }
    }
}

/// Refuses levels that make no sense for what is to be done.
pub(super) fn check_level(level: Consistency, what: Use) -> Result<(), Error> {
    let refuse = |message: String| Err(Error::new(Code::BadValue, message));
    match level {
        Consistency::Any | Consistency::EachQuorum if what == Use::Read => {
            refuse(format!("consistency {level} is for writes only"))
        }
        Consistency::Any if what == Use::Increment => refuse(
            "consistency ANY is not for counters: a replica has to add to its share".to_owned(),
        ),
        Consistency::Serial | Consistency::LocalSerial if what != Use::Read => {
            refuse(format!("consistency {level} is for lightweight transactions only"))
        }
        Consistency::Serial | Consistency::LocalSerial => Err(Error::new(
            Code::NotSupported,
            format!("reads at consistency {level} are not supported yet"),
        )),
        Consistency::Any
        | Consistency::One
        | Consistency::Two
        | Consistency::Three
        | Consistency::Quorum
        | Consistency::All
        | Consistency::LocalQuorum
        | Consistency::EachQuorum
        | Consistency::LocalOne => Ok(()),
    }
}
