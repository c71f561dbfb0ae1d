//! Sample data, generated and never downloaded: the same rows on every machine.

use sys::Rng;

/// Which data `demo --data` loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Sample {
    /// A day of one server's cpu, memory and disk, one value of each a second.
    Metrics,
    /// 200 conversations with 20,000 messages.
    Chat,
}

/// 2024-01-15 00:00:00 UTC, milliseconds since the epoch.
const DAY_BEGINS: i64 = 1_705_276_800_000;

/// Seconds of a day.
const SECONDS: i64 = 86_400;

/// What the metrics are called, in clustering order.
pub(super) const METRIC_NAMES: [&str; 3] = ["cpu", "disk", "memory"];

/// Rows of the metrics day.
pub const METRIC_ROWS: u64 = SECONDS as u64 * METRIC_NAMES.len() as u64;

/// Conversations of the chat.
const CONVERSATIONS: u64 = 200;

/// Messages of the chat.
pub(super) const MESSAGES: u64 = 20_000;

/// Statements that make the keyspace and table of a sample, with `copies` replicas.
pub fn schema(sample: Sample, copies: usize) -> [String; 2] {
    let keyspace = match sample {
        Sample::Metrics => "metrics",
        Sample::Chat => "chat",
    };
    let table = match sample {
        Sample::Metrics => {
            "CREATE TABLE IF NOT EXISTS metrics.server_metrics (server_id text, metric_date date, \
             timestamp timestamp, metric_name text, value double, \
             PRIMARY KEY ((server_id, metric_date), timestamp, metric_name))"
        }
        Sample::Chat => {
            "CREATE TABLE IF NOT EXISTS chat.messages (conversation_id text, sent_at timestamp, \
             sender text, content text, PRIMARY KEY (conversation_id, sent_at)) \
             WITH CLUSTERING ORDER BY (sent_at DESC)"
        }
    };
    let keyspace = format!(
        "CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = \
         {{'class': 'NetworkTopologyStrategy', 'dc1': {copies}}}"
    );
    [keyspace, table.to_owned()]
}

/// One metric at one second.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// One of `METRIC_NAMES`.
    pub name: &'static str,
    /// Two decimals: percent of cpu, memory and disk.
    pub value: f64,
}

/// The whole day in time order. Every value has a daily shape: cpu follows the working day with
/// noise, memory rises and is released every six hours, disk fills slowly.
pub fn metrics() -> impl Iterator<Item = Metric> {
    let mut rng = Rng::from_seed(20_240_115);
    (0..SECONDS).flat_map(move |second| {
        let hour = second as f64 / 3600.0;
        let mut noise = |width: f64| (rng.below(2001) as f64 / 1000.0 - 1.0) * width;
        let day = (std::f64::consts::PI * (hour - 6.0) / 12.0).sin().max(0.0);
        let cpu = 12.0 + 55.0 * day + noise(6.0);
        let memory = 40.0 + 5.0 * (hour % 6.0) + noise(0.4);
        let disk = 61.0 + hour * 0.12 + noise(0.01);
        let timestamp = DAY_BEGINS + second * 1000;
        let row = move |name, value: f64| {
            let value = (value.clamp(0.0, 100.0) * 100.0).round() / 100.0;
            Metric { timestamp, name, value }
        };
        [row(METRIC_NAMES[0], cpu), row(METRIC_NAMES[1], disk), row(METRIC_NAMES[2], memory)]
    })
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `conv_1` to `conv_200`.
    pub conversation: String,
    /// Milliseconds since the epoch; later than the one before it in its conversation.
    pub sent_at: i64,
    /// Who.
    pub sender: &'static str,
    /// What.
    pub content: String,
}

const SENDERS: [&str; 8] = ["ada", "ben", "chloe", "dimitri", "elena", "farid", "grace", "hugo"];

const WORDS: [&str; 32] = [
    "the", "ring", "is", "calm", "tonight", "ship", "sails", "at", "dawn", "bring", "water", "and",
    "bread", "who", "saw", "horse", "by", "gate", "nobody", "believed", "her", "twin", "but",
    "him", "they", "did", "send", "word", "home", "soon", "all", "well",
];

/// All messages in time order: conversation 1 to 200 by turns, with gaps.
pub fn messages() -> impl Iterator<Item = Message> {
    let mut rng = Rng::from_seed(200);
    (0..MESSAGES).map(move |index| {
        let mut pick = |count: usize| rng.below(count as u64) as usize;
        let words = 3 + pick(12);
        let content: Vec<&str> = (0..words).map(|_| WORDS[pick(WORDS.len())]).collect();
        Message {
            conversation: format!("conv_{}", index % CONVERSATIONS + 1),
            sent_at: DAY_BEGINS + index as i64 * 4_000 + pick(3_000) as i64,
            sender: SENDERS[pick(SENDERS.len())],
            content: content.join(" "),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_has_every_row_in_order_with_two_decimals() {
        let rows: Vec<Metric> = metrics().collect();
        assert_eq!(rows.len() as u64, METRIC_ROWS);
        assert_eq!(METRIC_ROWS, 259_200);
        assert!(rows.is_sorted_by_key(|it| (it.timestamp, it.name)));
        assert_eq!(rows[0].timestamp, DAY_BEGINS);
        for row in &rows {
            let hundredths = row.value * 100.0;
            assert!((hundredths - hundredths.round()).abs() < 1e-6, "{row:?}");
        }
        let cpu_at = |hour: i64| rows[(hour * 3600 * 3) as usize].value;
        assert!(cpu_at(2) + 30.0 < cpu_at(12), "noon is busier than night");
    }

    #[test]
    fn the_chat_has_distinct_rising_times_in_each_conversation() {
        let mut by_conversation = std::collections::BTreeMap::<String, Vec<i64>>::new();
        for message in messages() {
            by_conversation.entry(message.conversation).or_default().push(message.sent_at);
        }
        assert_eq!(by_conversation.len() as u64, CONVERSATIONS);
        assert_eq!(by_conversation.values().map(Vec::len).sum::<usize>() as u64, MESSAGES);
        assert!(by_conversation.values().all(|it| it.is_sorted_by(|a, b| a < b)));
    }
}
