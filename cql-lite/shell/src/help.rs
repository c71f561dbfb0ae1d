//! What `HELP` says.

use cql_lite::suggest::suggest;

/// A topic, its grammar or meaning, and an example.
struct Topic {
    name: &'static str,
    text: &'static str,
}

const OVERVIEW: &str = "\
Statements end with ; and may have several lines:
  CREATE, ALTER, DROP, TRUNCATE, USE, INSERT, UPDATE, DELETE, BEGIN [COUNTER] BATCH, SELECT

Words of the shell end with their line:
  CONSISTENCY [level]      how many replicas must answer
  DESCRIBE …               KEYSPACES, TABLES, TYPES, SCHEMA, TABLE t, …; \\d t
  EXPAND [ON|OFF|AUTO]     one column a line; AUTO: where a table is too wide
  PAGING [rows|ON|OFF]     rows read at once; more than a screen goes through PAGER
  TIMING [ON|OFF]          times below results
  TRACING [ON|OFF]         what each replica did, step by step, below results
  SOURCE 'file'            run a file
  COPY t TO|FROM 'file';   a table into a file, and back; see HELP COPY
  CAPTURE 'file' | OFF     what would be printed goes into a file
  SHOW VERSION | HOST      versions; the node
  CLEAR                    wipe the screen
  HELP [topic]             about ";

const TOPICS: [Topic; 14] = [
    Topic {
        name: "SELECT",
        text: "SELECT *|columns|aggregates FROM [keyspace.]table [WHERE relations] [GROUP BY columns]\n  \
               [ORDER BY columns] [PER PARTITION LIMIT n] [LIMIT n] [ALLOW FILTERING];\n\n\
               Example: SELECT * FROM chat.messages WHERE conversation_id = 'c1' LIMIT 50;\n\
               The partition key comes first, then a prefix of the clustering columns.",
    },
    Topic {
        name: "INSERT",
        text: "INSERT INTO [keyspace.]table (columns) VALUES (values) [IF NOT EXISTS]\n  \
               [USING TTL seconds [AND TIMESTAMP micros]];\n\n\
               Example: INSERT INTO chat.users (id, name) VALUES ('u1', 'Ada') USING TTL 3600;\n\
               A row that is there already is overwritten, column by column.",
    },
    Topic {
        name: "UPDATE",
        text: "UPDATE [keyspace.]table [USING TTL seconds [AND TIMESTAMP micros]]\n  \
               SET column = value, … WHERE primary key;\n\n\
               Example: UPDATE chat.users SET name = 'Ada', tags = tags + {'new'} WHERE id = 'u1';\n\
               A row that is not there is made.",
    },
    Topic {
        name: "DELETE",
        text: "DELETE [columns] FROM [keyspace.]table [USING TIMESTAMP micros] WHERE key;\n\n\
               Example: DELETE FROM chat.messages WHERE conversation_id = 'c1' AND sent_at < '2024-01-01';\n\
               A partition key alone deletes the whole partition.",
    },
    Topic {
        name: "CREATE",
        text: "CREATE KEYSPACE [IF NOT EXISTS] name WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 3};\n\
               CREATE TABLE [IF NOT EXISTS] [keyspace.]name (column type, …, PRIMARY KEY ((partition), clustering))\n  \
               [WITH CLUSTERING ORDER BY (column DESC) AND option = value];\n\
               CREATE TYPE [IF NOT EXISTS] [keyspace.]name (field type, …);\n\n\
               Example: CREATE TABLE chat.messages (conversation_id text, sent_at timestamp, content text,\n  \
               PRIMARY KEY (conversation_id, sent_at)) WITH CLUSTERING ORDER BY (sent_at DESC);",
    },
    Topic {
        name: "DROP",
        text: "DROP KEYSPACE|TABLE|TYPE [IF EXISTS] name;\nTRUNCATE [TABLE] [keyspace.]table;\n\n\
               Everything in it is deleted, at once. A type can be dropped while nothing uses it.",
    },
    Topic {
        name: "USE",
        text: "USE keyspace;\n\nUnqualified names are looked up there from then on.",
    },
    Topic {
        name: "TYPES",
        text: "ascii, bigint, blob, boolean, counter, date, decimal, double, duration, float, inet, int,\n\
               smallint, text, time, timestamp, timeuuid, tinyint, uuid, varchar, varint;\n\
               list<t>, set<t>, map<k, t>, tuple<t, …>, vector<t, n>, what CREATE TYPE made, and frozen<…> of them\n\n\
               Written: 'text', 42, 4.2, true, 0xcafe, 123e4567-e89b-12d3-a456-426614174000,\n\
               '2024-01-15' (date), '10:30:00' (time), '2024-01-15 10:30:00+0000' (timestamp), '192.0.2.1' (inet),\n\
               [1, 2] (list, vector), {1, 2} (set), {'a': 1} (map), (1, 'a') (tuple), {street: 'Main 1'} (type)\n\n\
               What is frozen is written as a whole; of the others a part, too: c + {1}, c - {1}, c['a'] = 1, c.f = 1\n\
               A counter is only added to, in a table of counters: UPDATE t SET n = n + 1 WHERE k = 'a'",
    },
    Topic {
        name: "CONSISTENCY",
        text: "CONSISTENCY [level]\n\n\
               ONE, TWO, THREE: so many replicas. QUORUM: more than half. ALL: every one.\n\
               LOCAL_ONE, LOCAL_QUORUM, EACH_QUORUM: counted by data center.\n\
               What is written at QUORUM is seen by every later read at QUORUM, while any minority is down.",
    },
    Topic {
        name: "DESCRIBE",
        text: "DESCRIBE KEYSPACES | TABLES | TYPES | SCHEMA | CLUSTER\nDESCRIBE KEYSPACE name\n\
               DESCRIBE TABLE | TYPE [keyspace.]name\n\n\
               The text that makes something is a statement that makes it again.",
    },
    Topic {
        name: "COPY",
        text: "COPY [keyspace.]table [(columns)] TO 'file'|STDOUT [WITH option = value AND …];\n\
               COPY [keyspace.]table [(columns)] FROM 'file'|STDIN [WITH option = value AND …];\n\n\
               FORMAT 'csv' or 'jsonl' (by the name of the file)   HEADER true or false (false)\n\
               DELIMITER ','   NULL '' (outside of quotes)         COMMENT '#': such lines are no data\n\
               MAXERRORS 1000  ERRFILE 'file.rejects'              RESUME true: on from where it stopped\n\n\
               Example: COPY chat.messages TO 'messages.csv' WITH HEADER = true;\n\
               A null leaves alone what is there. Lines that are refused go to the rejects file, below the\n\
               reason. Of two rows with one key the later wins, and both are as old as the copy's begin.\n\
               Counters are added to what is there: copied twice, they count twice, and RESUME is refused.",
    },
    Topic {
        name: "PAGING",
        text: "PAGING [rows|ON|OFF]\n\n\
               A result longer than the screen goes through the program that PAGER names (less), which is\n\
               given so many rows at once as it takes them. Leaving it with q or Ctrl-C ends the read.\n\
               OFF prints everything, to the end.",
    },
    Topic {
        name: "TRACING",
        text: "TRACING [ON|OFF]\n\n\
               ON: below a result, what the coordinator did, with the time since the statement arrived, in µs;\n\
               and what each replica did. data: it sent rows. digest: it sent what they hash to, for comparison.\n\
               write, hint, repair: it was told of a write, later, or because a read found it missing.",
    },
    Topic {
        name: "KEYS",
        text: "Tab completes, Ctrl-R searches what was typed before, → takes the gray suggestion.\n\
               Ctrl-C drops the line or cancels the statement, Ctrl-D leaves.",
    },
];

/// Topics that fit into a line of the overview.
const TOPICS_PER_LINE: usize = 5;

/// The names of all topics.
pub(crate) fn topics() -> impl Iterator<Item = &'static str> {
    TOPICS.iter().map(|topic| topic.name)
}

/// The overview, or a topic.
pub(crate) fn text<'e>(
    topic: Option<&str>,
    extras: impl Iterator<Item = (&'e str, &'e str)>,
) -> String {
    let Some(wanted) = topic else {
        let topics: Vec<&str> = topics().collect();
        let lines: Vec<String> = topics.chunks(TOPICS_PER_LINE).map(|it| it.join(", ")).collect();
        // Below each other, behind what the words are.
        let mut text = format!("{OVERVIEW}{}", lines.join(&format!(",\n{:33}", "")));
        text.push_str("\n  EXIT                     leave; Ctrl-D, too");
        for (name, help) in extras {
            text.push_str(&format!("\n  {:<24} {help}", format!("\\{name}")));
        }
        return text;
    };
    let first = wanted.split_whitespace().next().unwrap_or_default();
    match TOPICS.iter().find(|topic| topic.name.eq_ignore_ascii_case(first)) {
        Some(topic) => topic.text.to_owned(),
        None => match suggest(first, topics()) {
            Some(near) => format!("No topic {wanted}: did you mean HELP {near}?"),
            None => {
                format!("No topic {wanted}. Topics: {}", topics().collect::<Vec<_>>().join(", "))
            }
        },
    }
}
