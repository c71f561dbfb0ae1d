//! A read as a state: it can stop for a block that is not in memory, and go on elsewhere.

use bytes::Bytes;
use model::key::successor;
use model::read::{Answer, Command, Fold, Position, Sieve, Target};
use model::rows::View;
use model::{Cell, Clustering, Content, Partition, PartitionKey, RangeTombstone, Row, Rows, Slice};

use super::asked::{TOLD_BYTES, first_partition, hull, is_told, limits_of, slices_of};
use crate::cache::{Cache, Halt, Io, Recent};
use crate::merge::{self, Merge, Order, Source};
use crate::piece::{self, Piece, Weight};
use crate::version::Version;
use crate::walk::Walk;

/// A read under way.
pub(crate) struct Scan {
    command: Command,
    /// Around all slices of the command.
    hull: Slice,
    recent: Recent,
    way: Way,
    current: Option<Current>,
    answer: Answer,
    bytes: u64,
    /// Something of the current partition may have expired.
    has_expired: bool,
    /// With a filter: leaves out what does not pass it.
    sieve: Option<Sieve>,
    /// For a partial: takes the rows, of which none goes into the answer.
    fold: Option<Box<Fold>>,
}

/// How the next partition is found.
enum Way {
    /// It is asked for by name.
    One(PartitionKey, Vec<Source>),
    Range(Walk),
    /// There are no more.
    End,
}

impl Way {
    fn of(version: &Version, command: &Command) -> Way {
        let resume = command.resume.as_ref();
        match &command.target {
            Target::One(_) if resume.is_some_and(|it| it.clustering.is_none()) => Way::End,
            Target::One(key) => Way::One(key.clone(), version.sources()),
            Target::Range { tokens, after } => {
                match first_partition(tokens, after.as_ref(), resume) {
                    Some(from) => Way::Range(Walk::new(&version.sources(), from)),
                    None => Way::End,
                }
            }
        }
    }
}

/// The partition being read.
struct Current {
    merge: Merge,
    /// What is still wanted, the next one last.
    slices: Vec<Slice>,
    /// What was read, in reading direction.
    parts: Vec<Partition>,
    live_rows: u64,
    /// Where an earlier page has left off: it counted the statics, and the range tombstone that goes on here.
    resumed_at: Option<Bytes>,
    /// The last range tombstone met: one that goes on in the next piece counts once.
    range: Option<RangeTombstone>,
}

/// What a limit ended.
enum End {
    /// The read, at this clustering.
    Read(Bytes),
    /// This partition's share of it.
    Partition(Bytes),
}

impl Scan {
    pub(crate) fn new(version: &Version, command: &Command) -> Scan {
        let mut command = command.clone();
        command.limits = limits_of(&command);
        let sstables = match command.target {
            Target::One(_) => 0,
            Target::Range { .. } => version.sstables.len() as u32,
        };
        let answer = Answer { sstables, ..Answer::default() };
        let way = Way::of(version, &command);
        let recent = Recent::default();
        let (sieve, fold) = (Sieve::new(&command), Fold::new(&command));
        let hull = hull(&command.slices);
        Scan {
            command,
            hull,
            recent,
            way,
            current: None,
            answer,
            bytes: 0,
            has_expired: false,
            sieve,
            fold,
        }
    }

    /// Goes on for `pieces` merged pieces with what is in memory. `None` if there is more to do.
    pub(crate) fn in_memory(&mut self, cache: &Cache, pieces: u32) -> Result<Option<Answer>, Halt> {
        let recent = std::mem::take(&mut self.recent);
        let result = self.advance(&Io::cached(cache, &recent), pieces);
        self.recent = recent;
        result
    }

    /// Goes on for `pieces` merged pieces, waiting for the disk. `None` if there is more to do.
    pub(crate) fn on_disk(&mut self, cache: &Cache, pieces: u32) -> Result<Option<Answer>, Halt> {
        let recent = std::mem::take(&mut self.recent);
        let result = self.advance(&Io::waiting(cache, &recent), pieces);
        self.recent = recent;
        result
    }

    /// After `Miss` everything is as it was when the block was asked for: the same call goes on from there.
    fn advance(&mut self, io: &Io, pieces: u32) -> Result<Option<Answer>, Halt> {
        for _ in 0..pieces {
            let Some(current) = &mut self.current else {
                if !self.begin_partition(io)? {
                    return Ok(Some(self.finish(None)));
                }
                continue;
            };
            let Some(want) = current.slices.last() else {
                if let Some(position) = self.end_partition() {
                    return Ok(Some(self.finish(Some(position))));
                }
                continue;
            };
            let is_told = self.fold.as_ref().is_some_and(|it| is_told(it, &self.command));
            if let Some(fold) = self.fold.as_mut().filter(|_| is_told)
                && let Some((rows, end)) = current.merge.skip(want, io, |it| it.add_to(fold))?
            {
                self.pass(rows, end);
                continue;
            }
            let mut piece = current.merge.next(want, io)?;
            piece.part.forget(&self.command.dropped);
            match self.take(piece) {
                None => {}
                Some(End::Partition(_)) => {
                    if let Some(current) = &mut self.current {
                        current.slices.clear();
                    }
                }
                Some(End::Read(clustering)) => {
                    let position = self.close_partition(Some(clustering));
                    return Ok(Some(self.finish(position)));
                }
            }
        }
        Ok(None)
    }

    /// Finds the next partition. `false` if there is none.
    fn begin_partition(&mut self, io: &Io) -> Result<bool, Halt> {
        let limits = &self.command.limits;
        let rows_max = match self.sieve {
            // How many rows it takes to find them is not known.
            Some(_) => merge::PIECE_ROWS_MAX as u64,
            None => limits.rows.min(limits.rows_per_partition).min(merge::PIECE_ROWS_MAX as u64),
        };
        let reversed = self.command.reversed;
        let order = Order { hull: &self.hull, reversed, rows_max: rows_max as usize };
        let found = match (&mut self.way, &self.command.target) {
            (Way::One(key, sources), _) => {
                let merge = Merge::open(key, sources, order, io)?;
                self.answer.sstables = merge.sstables();
                self.way = Way::End;
                Some(merge)
            }
            (Way::Range(walk), Target::Range { tokens, .. }) => {
                let all = tokens.start == tokens.end;
                walk.next(order, |key| all || tokens.contains(key.token), io)?
            }
            (_, _) => None,
        };
        let Some(mut merge) = found else {
            self.way = Way::End;
            return Ok(false);
        };
        if merge.is_nothing() {
            return Ok(true);
        }
        merge.forget_statics(&self.command.dropped);
        let now = self.command.now;
        let head = merge.head();
        self.answer.tombstones += u64::from(head.deletion.is_some());
        self.answer.tombstones += piece::row_tombstones(&head.static_row, now);
        self.has_expired = !head.static_row.is_empty();
        let statics = piece::row_bytes(&Clustering::default(), &head.static_row);
        let (mut slices, resumed_at) = slices_of(&mut self.command, &head.key);
        if self.sieve.as_mut().is_some_and(|it| !it.begin(&head.key, &head.static_row)) {
            slices.clear();
        }
        self.add_bytes((statics + head.key.bytes.len()) as u64, self.sieve.is_none());
        self.current = Some(Current {
            merge,
            slices,
            parts: Vec::new(),
            live_rows: 0,
            resumed_at,
            range: None,
        });
        Ok(true)
    }

    /// Goes on behind so many rows of which it is known what they come to. No limit ends there: where they end no row tells.
    fn pass(&mut self, rows: u64, end: Bytes) {
        self.answer.live_rows += rows;
        self.add_bytes(TOLD_BYTES, false);
        let Some(current) = &mut self.current else { return };
        current.live_rows += rows;
        let Some(want) = current.slices.last_mut() else { return };
        want.start = end;
        if want.end <= want.start {
            current.slices.pop();
            current.merge.jump();
        }
    }

    /// Takes the next piece in, and cuts it where a limit is reached.
    fn take(&mut self, mut piece: Piece) -> Option<End> {
        let reversed = self.command.reversed;
        let end = self.count(&piece);
        if let Some(End::Read(at) | End::Partition(at)) = &end {
            if reversed {
                if piece.start < *at {
                    piece = piece.split_off(at);
                }
            } else {
                let at = successor(at);
                if at < piece.end {
                    drop(piece.split_off(&at));
                }
            }
        }
        let current = self.current.as_mut()?;
        let want = current.slices.last_mut()?;
        if reversed {
            want.end = piece.start.clone();
        } else {
            want.start = piece.end.clone();
        }
        if want.end <= want.start {
            current.slices.pop();
            current.merge.jump();
        }
        if let Some(sieve) = &mut self.sieve {
            show_expired(&mut piece.part, self.command.now);
            sieve.sift(&mut piece.part);
        }
        if let Some(fold) = &mut self.fold {
            fold.add(&piece.part.rows);
        } else if !piece.part.is_empty() {
            current.parts.push(piece.part);
        }
        end
    }

    /// Counts rows and range tombstones in reading direction until a limit is reached.
    fn count(&mut self, piece: &Piece) -> Option<End> {
        let Piece { part, .. } = piece;
        if part.range_tombstones.is_empty() && self.sieve.is_none() {
            return match self.count_settled(&part.rows) {
                Some(end) => end,
                None => self.count_rows(&part.rows),
            };
        }
        let (mut rows, mut ranges) = (&part.rows[..], &part.range_tombstones[..]);
        loop {
            let (row, range, at) = if self.command.reversed {
                let at = rows.last().map(|(it, _)| &it.0);
                let at = at.max(ranges.last().map(|it| &it.start))?;
                let row = rows.split_last().filter(|((it, _), _)| it.0 == *at);
                let range = ranges.split_last().filter(|(it, _)| it.start == *at);
                (row, range, at)
            } else {
                let (row, range) = (rows.first().map(|(it, _)| &it.0), ranges.first());
                let at = match (row, range.map(|it| &it.start)) {
                    (Some(row), Some(range)) => row.min(range),
                    (row, range) => row.or(range)?,
                };
                let row = rows.split_first().filter(|((it, _), _)| it.0 == *at);
                let range = ranges.split_first().filter(|(it, _)| it.start == *at);
                (row, range, at)
            };
            let mut is_event = false;
            if let Some(((clustering, row), rest)) = row {
                rows = rest;
                is_event = true;
                self.count_row(View::Each(clustering, row));
            }
            if let Some((range, rest)) = range {
                ranges = rest;
                is_event |= self.count_range(range);
            }
            if let Some(end) = self.end_at(|| at.clone()).filter(|_| is_event) {
                return Some(end);
            }
        }
    }

    /// As `count`, of rows alone that lie as columns: all at once. `None` if each must be looked at.
    fn count_settled(&mut self, rows: &Rows) -> Option<Option<End>> {
        if self.is_reached() {
            return None;
        }
        let limits = self.command.limits;
        let current = self.current.as_mut()?;
        let left = limits.rows.saturating_sub(self.answer.live_rows);
        let left = left.min(limits.rows_per_partition.saturating_sub(current.live_rows));
        let count = rows.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let last = count.checked_sub(1).filter(|_| rows.are_settled(self.command.now))?;
        let (counted, last) = match self.command.reversed {
            false => (0..count, last),
            true => (rows.len() - count..rows.len(), rows.len() - count),
        };
        let bytes = piece::amount_bytes(rows.amount(counted)?) as u64;
        if limits.bytes <= self.bytes + bytes || limits.scanned <= self.answer.scanned + bytes {
            return None;
        }
        let last = rows.view(last)?;
        current.live_rows += count as u64;
        self.answer.live_rows += count as u64;
        self.add_bytes(bytes, true);
        Some(self.end_at(|| last.clustering_key().0))
    }

    /// As `count`, of rows alone, each of which counts.
    fn count_rows(&mut self, rows: &Rows) -> Option<End> {
        let mut rows = rows.views();
        let reversed = self.command.reversed;
        while let Some(row) = if reversed { rows.next_back() } else { rows.next() } {
            self.count_row(row);
            if let Some(end) = self.end_at(|| row.clustering_key().0) {
                return Some(end);
            }
        }
        None
    }

    fn count_row(&mut self, row: View<'_>) {
        let weight = Weight::of(row, self.command.now);
        self.answer.tombstones += weight.tombstones;
        self.has_expired |= weight.has_expired;
        let lives = match (&mut self.sieve, row) {
            (Some(sieve), View::Each(clustering, row)) => sieve.judge(clustering, row),
            (_, _) => weight.is_live,
        };
        let live = u64::from(lives);
        self.add_bytes(weight.bytes, lives || self.sieve.is_none());
        self.answer.live_rows += live;
        if let Some(current) = &mut self.current {
            current.live_rows += live;
        }
    }

    /// `false` for the rest of a range tombstone of which the piece or the page before has had the beginning.
    fn count_range(&mut self, range: &RangeTombstone) -> bool {
        let Some(current) = &mut self.current else { return false };
        let goes_on = current.range.as_ref().is_some_and(|last| {
            last.deletion == range.deletion && (last.end == range.start || range.end == last.start)
        });
        let resumed = current.resumed_at.as_ref() == Some(&range.start);
        current.range = Some(range.clone());
        if goes_on || resumed {
            return false;
        }
        self.answer.tombstones += 1;
        self.add_bytes(piece::range_bytes(range) as u64, self.sieve.is_none());
        true
    }

    /// Counts what was scanned, and whether it goes into the answer.
    fn add_bytes(&mut self, bytes: u64, is_answered: bool) {
        self.answer.scanned += bytes;
        self.bytes += if is_answered { bytes } else { 0 };
    }

    /// Whether live rows, bytes or tombstones are used up.
    fn is_reached(&self) -> bool {
        let limits = &self.command.limits;
        limits.rows <= self.answer.live_rows
            || limits.bytes <= self.bytes
            || limits.scanned <= self.answer.scanned
            || limits.tombstones <= self.answer.tombstones
    }

    /// What ends here, if a limit is reached.
    fn end_at(&self, at: impl FnOnce() -> Bytes) -> Option<End> {
        if self.is_reached() && !self.is_in_doubt() {
            return Some(End::Read(at()));
        }
        let live_rows = self.current.as_ref()?.live_rows;
        let is_enough = self.command.limits.rows_per_partition <= live_rows;
        is_enough.then(|| End::Partition(at()))
    }

    /// Whether a partial that ended here would leave open if statics count as a row: it does not tell whoever goes on
    /// whether there were rows.
    fn is_in_doubt(&self) -> bool {
        self.fold.is_some() && self.are_statics_a_row()
    }

    /// Whether the statics of the current partition count as a row, if no live one comes any more.
    fn are_statics_a_row(&self) -> bool {
        self.current.as_ref().is_some_and(|it| {
            it.resumed_at.is_none() && it.live_rows == 0 && self.shows(&it.merge.head().static_row)
        })
    }

    /// Puts the partition into the answer. The position, if a limit is reached now.
    fn end_partition(&mut self) -> Option<Position> {
        let are_statics_a_row = self.are_statics_a_row();
        self.answer.live_rows += u64::from(are_statics_a_row);
        if let (Some(fold), true) = (&mut self.fold, are_statics_a_row) {
            fold.add_statics();
        }
        let is_reached = self.is_reached();
        let position = self.close_partition(None);
        // After the only partition there is nothing to go on with.
        position.filter(|_| is_reached && !matches!(self.way, Way::End))
    }

    /// Whether a static row without rows is to be seen.
    fn shows(&self, statics: &Row) -> bool {
        match &self.sieve {
            Some(sieve) => sieve.passes_statics(statics),
            None => statics.has_live_cell(self.command.now),
        }
    }

    /// Puts the partition into the answer, complete up to `clustering`, or wholly.
    fn close_partition(&mut self, clustering: Option<Bytes>) -> Option<Position> {
        let current = self.current.take()?;
        let mut partition = current.merge.into_head();
        if let Some(fold) = &mut self.fold {
            fold.end(&partition);
            self.has_expired = false;
            return Some(Position { key: partition.key, clustering });
        }
        let mut parts = current.parts;
        if self.command.reversed {
            parts.reverse();
        }
        parts.into_iter().for_each(|part| piece::append(&mut partition, part));
        let key = partition.key.clone();
        if std::mem::take(&mut self.has_expired) {
            show_expired(&mut partition, self.command.now);
        }
        if let Some(sieve) = &mut self.sieve {
            sieve.end(&mut partition);
        }
        if !partition.is_empty() {
            self.answer.partitions.push(partition);
        }
        Some(Position { key, clustering })
    }

    fn finish(&mut self, stopped_at: Option<Position>) -> Answer {
        let partitions = std::mem::take(&mut self.answer.partitions);
        let sifted = self.sieve.as_mut().and_then(|it| it.digest(stopped_at.as_ref()));
        let fold = self.fold.take().map(|it| it.finish(stopped_at.as_ref()));
        let (partial, folded) = fold.unzip();
        let scanned_digest = sifted.or(folded.flatten());
        Answer { partitions, stopped_at, scanned_digest, partial, ..self.answer.clone() }
    }
}

/// Shows expired cells without their values, as a compaction leaves them, so that two replicas answer alike whether
/// they have compacted or not. Drops nothing.
fn show_expired(partition: &mut Partition, now: i64) {
    let rows: &mut [(Clustering, Row)] =
        if partition.rows.are_settled(now) { &mut [] } else { &mut partition.rows };
    let rows = rows.iter_mut().map(|(_, row)| row);
    for row in rows.chain([&mut partition.static_row]) {
        let expired = |cell: &Cell| {
            matches!(cell.content, Content::Expiring { .. }) && cell.value(now).is_none()
        };
        let elements = row.elements.iter().flat_map(|(_, it)| &it.cells);
        let mut cells = row.cells.iter().map(|(_, cell)| cell).chain(elements.map(|(_, it)| it));
        if cells.any(expired) {
            row.purge(now, i64::MIN, i64::MIN);
        }
    }
}
