//! The error codes of the whole house: one table, stable for ever.
//!
//! A code is never reused and never changes its meaning. The thousands say where to look:
//! 1 availability, 2 statements, 3 schema, 4 permissions, 5 limits, 6 storage, 7 topology,
//! 8 settings, 9 our own mistakes. `helenus explain CODE` prints an entry.

use std::fmt;

/// One line of the table makes a variant and its texts.
macro_rules! codes {
    ($($name:ident = $number:literal, $title:literal, $explanation:literal, $remedy:literal;)*) => {
        /// A kind of error.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = concat!("HX", stringify!($number), ": ", $title, ".")] $name,)*
        }

        impl Code {
            /// Every code, by number.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];

            /// The number behind `HX`.
            pub fn number(self) -> u16 {
                match self { $(Code::$name => $number),* }
            }

            /// A few words that name it, without a full stop.
            pub fn title(self) -> &'static str {
                match self { $(Code::$name => $title),* }
            }

            /// What happened, in a paragraph.
            pub fn explanation(self) -> &'static str {
                match self { $(Code::$name => $explanation),* }
            }

            /// What to do about it.
            pub fn remedy(self) -> &'static str {
                match self { $(Code::$name => $remedy),* }
            }
        }
    };
}

codes! {
    Unavailable = 1001, "Too few replicas are alive",
        "The node that coordinates the request knows that fewer replicas of this partition are \
         alive than the consistency level asks for. Nothing was sent to any replica.",
        "Safe to retry, later or through another node. `helenus status` shows which nodes are \
         down; a lower consistency level may still be reachable.";
    WriteTimeout = 1002, "Write timed out, outcome unknown",
        "The write was sent to the replicas, but too few confirmed it in time. It may have been \
         applied, on some replicas or on all, and may yet appear.",
        "Retry if the statement may be applied twice: with the same timestamp it may. Otherwise \
         read first. Look for slow disks or overloaded nodes.";
    ReadTimeout = 1003, "Read timed out",
        "The read was sent to enough replicas, but too few answered in time. Nothing was changed.",
        "Safe to retry. If it stays: read less at once (LIMIT, a narrower slice, paging), or look \
         for the slow replica with `helenus status`.";
    ReadFailure = 1004, "A replica failed while reading",
        "A replica answered with an error instead of rows, so that the consistency level cannot \
         be reached. The message names the replica and its reason.",
        "Read the log of the replica named. If one replica only is at fault, a lower consistency \
         level still works.";
    ConnectionLost = 1005, "Connection lost, outcome unknown",
        "The connection broke after the request was sent and before its answer came. A write may \
         or may not have been applied.",
        "Retry if the statement may be applied twice; otherwise read first.";
    CannotConnect = 1006, "Cannot connect",
        "No node answered at any of the addresses given. Nothing was sent.",
        "Is a node running, and is this its client address (9044, not the peer port 7000)? \
         `helenus status` tells.";

    Syntax = 2001, "Syntax error",
        "The statement is not CQL as this version understands it. The caret shows the first word \
         that does not fit.",
        "Correct the statement. The grammar is in docs/cql.";
    UnknownTable = 2002, "Unknown table or keyspace",
        "The statement names a table or keyspace that does not exist, or no keyspace where one is \
         needed.",
        "Check the spelling with `DESCRIBE TABLES`; choose the keyspace with `USE` or write \
         `keyspace.table`. Names in double quotes keep their case.";
    UnknownColumn = 2003, "Unknown column or function",
        "The statement names a column that the table does not have, or a function that does not \
         exist.",
        "`DESCRIBE TABLE` lists the columns. Names in double quotes keep their case.";
    BadValue = 2004, "Value does not fit its type",
        "A constant or a bound value is not a value of the column's type: another kind, out of \
         range, or malformed. Null in a key column is one, too.",
        "The message names the type and the value it was given. docs/cql lists how each type is \
         written.";
    BadWhere = 2005, "WHERE does not lead to the rows",
        "A write needs the whole primary key, and a read needs the partition key, then a prefix \
         of the clustering columns. Without them every row of the table would be read.",
        "Add the missing key columns, or a table whose key suits the question. `ALLOW FILTERING` \
         reads everything, if that is meant.";
    BadBind = 2006, "Wrong bound values",
        "The statement has another number of markers than values were bound, or a named marker \
         that no value was bound to.",
        "Bind one value to each `?` in order, or one to each `:name`.";
    Unprepared = 2007, "Unknown prepared statement",
        "The node does not know this prepared statement: it was restarted, forgot it, or the \
         table changed since. Nothing was executed.",
        "Prepare the statement again and retry. The client crate does so by itself.";
    NotSupported = 2008, "Not supported yet",
        "The statement is CQL, but this version cannot execute it.",
        "docs/cql lists what exists. The message names the part at fault.";
    BadPagingState = 2009, "Paging state does not fit",
        "The paging state is damaged, or belongs to another statement or to an incompatible \
         version.",
        "Start again from the first page, with the same statement for every page.";
    Cancelled = 2010, "Statement cancelled",
        "The client went away or cancelled the statement. A write may have been applied.",
        "Nothing to do. If a write was cancelled, read whether it was applied.";
    RowCount = 2011, "Not the number of rows expected",
        "The program asked for exactly one row, or for at most so many, and the statement has \
         another number of them. Raised by the client crate.",
        "Ask for `opt` where no row is an answer, too, and for `stream` where there may be many.";
    BadMessage = 2012, "Not a message of this protocol",
        "What came over the connection is not what this protocol allows: bytes that are no \
         message, a message cut short, out of place or without a body, a request id twice. \
         Nothing of it was executed, and the stream is closed.",
        "The client has a bug, or speaks another protocol: is this the right port? Requests that \
         were under way on the stream have an unknown outcome.";

    AlreadyExists = 3001, "Already exists",
        "A keyspace or table of this name exists already.",
        "Choose another name, or add `IF NOT EXISTS` if the existing one will do.";
    InvalidSchema = 3002, "Invalid schema definition",
        "The definition contradicts itself or a rule: no or two primary keys, a column twice, a \
         key column that is not declared, an option that does not exist.",
        "Correct the definition; the caret shows where.";
    DoesNotExist = 3003, "Does not exist",
        "The keyspace or table to change or drop does not exist.",
        "Check the name with `DESCRIBE`, or add `IF EXISTS` if it may be missing.";
    SchemaOutcomeUnknown = 3004, "Schema change, outcome unknown",
        "The change was proposed to the voters, but the answer did not come in time. It may have \
         been agreed, or may yet be.",
        "Look with `DESCRIBE` whether it happened; repeat it with `IF NOT EXISTS` or `IF EXISTS`.";
    SchemaChangedMeanwhile = 3005, "Somebody else was faster",
        "Another schema change of the same table was agreed after this one was planned. Nothing \
         was changed by this one.",
        "Safe to retry: the statement is planned again, from the table as it is now.";

    Unauthorized = 4001, "Not allowed",
        "Who you are is unknown, or this is not allowed to you.",
        "Log in as another role, or ask for the permission that the message names.";

    Overloaded = 5001, "Overloaded",
        "The node holds as many requests, or as many bytes of them, as its memory budget allows. \
         This one was refused before anything was done.",
        "Retry after a pause that grows. If it stays: send fewer at once, or add nodes.";
    TooLarge = 5002, "Value or request too large",
        "A value, key, row or request is larger than its limit, which the message names.",
        "Split it. Large objects belong into an object store, with their address in a row.";
    TimestampTooFarAhead = 5003, "Timestamp too far ahead",
        "The write carries a timestamp further in the future than the guardrail `timestamp_ahead` \
         allows, by default three days. It would hide every later write until then.",
        "Correct the clock or the unit: timestamps are microseconds since 1970.";
    Guardrail = 5004, "Guardrail reached",
        "The schema would have more keyspaces, tables or columns, or fewer copies, than is good for \
         the cluster. The message names the limit, the value and the setting.",
        "Follow the hint of the message. Where the limit is wrong for this cluster, change the \
         setting on every node: docs/limits.md lists all of them.";

    DiskFull = 6001, "Disk full",
        "The node cannot write because its disk has no space left. Reads go on.",
        "Free space or add nodes. Writes resume by themselves once there is space.";
    CorruptFile = 6002, "Corrupt file",
        "A file in the data directory does not match its checksum. The node does not use it, \
         rather than answer wrongly.",
        "Look at the disk's health. Restore the file, or empty the node's data directory and \
         rebuild it from its replicas.";
    DirectoryLocked = 6003, "Data directory is in use",
        "Another process holds the lock of this data directory.",
        "Stop the other node, or give this one its own directory with `--data-dir`.";
    DirectoryForeign = 6004, "Data directory is foreign",
        "The data directory was not written by Helenus, by a newer version of it, or belongs to \
         another node.",
        "Check the path. With a newer format, start the newer version.";
    LogFailed = 6005, "Commit log failed",
        "Writing the commit log or making it durable failed. What the disk holds is unknown since \
         then, so the node acknowledges no more writes.",
        "Look at the disk and the kernel's log, then restart the node: it recovers what is \
         durable.";
    DirectoryUnusable = 6006, "Data directory cannot be used",
        "The data directory cannot be made, read or written: no permission, a disk that takes no \
         writes, or something else in its place. The message says what the system said.",
        "Check the path, its owner and how the disk is mounted.";

    NotFounder = 7001, "Not a founder",
        "The node is not among the addresses in its own `--seeds` and no cluster there answered, \
         so it can neither found a cluster nor join one.",
        "Name all founders in `--seeds`, the same on each, this node's address included.";
    WrongCluster = 7002, "Another cluster",
        "The peer belongs to another cluster: its cluster id differs.",
        "Check the addresses. An old data directory may be in the way.";
    IncompatibleVersion = 7003, "Incompatible version",
        "The two sides share no version of the protocol they speak.",
        "Upgrade the older side, one release at a time.";
    NotReady = 7004, "Not ready yet",
        "The node is starting: it replays its log or has not yet met its peers.",
        "Wait: `helenus health` says when it is ready. Other nodes may serve meanwhile.";
    Draining = 7005, "Draining",
        "The node is going down in good order and takes no more requests.",
        "Safe to retry through another node.";

    UnknownSetting = 8001, "Unknown setting",
        "A setting in the file, the environment or a flag does not exist.",
        "Correct the name; `helenus config show --origin` lists all.";
    BadSetting = 8002, "Bad setting",
        "A setting has a value that it cannot have, or one that contradicts another setting.",
        "The message says what is allowed. Durations and sizes carry units: `10s`, `64MiB`.";
    PortInUse = 8003, "Port in use",
        "Another process listens on the address already.",
        "Stop it, or choose another address.";
    InsecureListen = 8004, "Insecure address",
        "The node would listen beyond this machine without authentication.",
        "Listen on loopback or a private address, or say explicitly that it is meant.";

    Internal = 9001, "Internal error",
        "Something happened that should be impossible. This is a bug of ours.",
        "Please report it with the message, the version and the log around it.";
}

impl Code {
    /// The code of this number, if there is one.
    pub fn from_number(number: u16) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.number() == number)
    }

    /// The code written as `HX2001`, in any case and with or without `HX`.
    pub fn parse(text: &str) -> Option<Code> {
        let text = text.trim();
        let digits = match text.get(..2) {
            Some(prefix) if prefix.eq_ignore_ascii_case("hx") => &text[2..],
            Some(_) | None => text,
        };
        digits.parse().ok().and_then(Code::from_number)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HX{:04}", self.number())
    }
}
