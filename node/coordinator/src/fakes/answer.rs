//! What a fake replica answers to a read.

use std::collections::BTreeMap;

use model::{
    Partition, PartitionKey, key,
    read::{Answer, Command, Filter, Fold, Position, Target},
};

/// What a replica with `data` answers: the plainest reading of `model::read`.
#[expect(clippy::too_many_lines, reason = "a model reads best in one piece, from top to bottom")]
pub(crate) fn answer(data: &BTreeMap<PartitionKey, Partition>, command: &Command) -> Answer {
    let mut out = Answer::default();
    // What passes the filter, if there is one.
    let mut passing = Vec::new();
    let resume = command.resume.as_ref();
    let wanted = |key: &PartitionKey| match &command.target {
        Target::One(it) => it == key,
        Target::Range { tokens, after } => {
            tokens.contains(key.token)
                && after.as_ref().is_none_or(|it| it < key)
                && resume.is_none_or(|it| it.key <= *key)
        }
    };
    let mut bytes = 0;
    let mut fold = Fold::new(command);
    let is_folded = fold.is_some();
    for (key, all) in data.iter().filter(|(key, _)| wanted(key)) {
        let at = resume.filter(|it| it.key == *key).and_then(|it| it.clustering.clone());
        let mut slices = command.slices.clone();
        for slice in &mut slices {
            match &at {
                Some(at) if command.reversed => slice.end = slice.end.clone().min(at.clone()),
                Some(at) => slice.start = slice.start.clone().max(key::successor(at)),
                None => {}
            }
        }
        slices.retain(|it| it.start < it.end);
        let mut part = all.clone();
        part.clip_slices(&slices);
        let mut rows: Vec<_> =
            part.rows.iter().map(|(it, row)| (it.clone(), row.clone())).collect();
        if command.reversed {
            rows.reverse();
        }
        let filter = command.filter.as_ref();
        let admits = filter.is_none_or(|it| it.admits(key, &part.static_row, command.now));
        let static_lives = part.static_row.has_live_cell(command.now)
            && admits
            && filter.is_none_or(Filter::passes_statics);
        let mut passed = Partition::empty(key.clone());
        let (mut live, mut end, mut stop) = (0, None, false);
        for (clustering, row) in rows {
            let lives = row.is_live(command.now);
            out.tombstones += u64::from(!lives);
            let passes = filter.is_none_or(|it| it.passes(&clustering, &row, command.now));
            let shows = lives && admits && passes;
            live += u64::from(shows);
            out.live_rows += u64::from(shows);
            bytes += if shows || filter.is_none() { 100 } else { 0 };
            out.scanned += 100;
            if shows {
                passed.put_row(clustering.clone(), row);
            }
            let is_full = command.limits.rows <= out.live_rows || command.limits.bytes <= bytes;
            let is_in_doubt = is_folded && live == 0 && static_lives && at.is_none();
            stop = command.limits.tombstones <= out.tombstones
                || command.limits.scanned <= out.scanned
                || is_full && !is_folded;
            stop &= !is_in_doubt;
            if stop || command.limits.rows_per_partition <= live && !is_folded {
                end = Some(clustering.0);
                break;
            }
        }
        if let Some(end) = &end {
            if command.reversed {
                part.clip(end, &[0xFF]);
            } else {
                part.clip(&[], &key::successor(end));
            }
        }
        if let Some(fold) = &mut fold {
            fold.add(&part.rows);
        }
        if !stop && live == 0 && static_lives && at.is_none() {
            out.live_rows += 1;
            stop = command.limits.rows <= out.live_rows && !is_folded;
            fold.iter_mut().for_each(|it| it.add_statics());
        }
        fold.iter_mut().for_each(|it| it.end(&part));
        if !passed.rows.is_empty() || static_lives {
            passed.static_row = part.static_row.clone();
        }
        passing.push(passed);
        out.partitions.push(part);
        if stop {
            out.stopped_at = Some(Position { key: key.clone(), clustering: end });
            break;
        }
    }
    if let Some(filter) = &command.filter {
        out.scanned_digest = filter.compared.then(|| out.digest());
        out.partitions = passing;
    }
    if let Some(fold) = fold {
        let (partial, digest) = fold.finish(out.stopped_at.as_ref());
        (out.partial, out.scanned_digest) = (Some(partial), digest);
        out.partitions.clear();
    }
    out.partitions.retain(|it| !it.is_empty());
    out
}
