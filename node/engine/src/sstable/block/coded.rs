//! The rows of a block whose texts are coded.

use std::ops::Range;
use std::sync::Arc;

use model::columns::{Columns, Values};

use crate::sstable::symbols::Symbols;

/// Rows with texts that are coded.
#[derive(Debug)]
pub(super) struct Coded {
    /// Without these texts.
    pub(super) columns: Columns,
    /// Of these texts, by the number of their column.
    pub(super) codes: Vec<(usize, Values)>,
    pub(super) symbols: Arc<Symbols>,
}

impl Coded {
    /// Some of the rows, decoded; with codes for whoever writes them again.
    pub(super) fn cut(&self, rows: Range<usize>, with_codes: bool) -> Arc<Columns> {
        let decoded = |number: usize, values: Range<usize>| {
            let (_, all) = self.codes.iter().find(|it| it.0 == number)?;
            let codes = with_codes.then(|| self.symbols.codes(all, values.clone()));
            Some((self.symbols.decode(all, values), codes))
        };
        Arc::new(self.columns.cut(rows, decoded))
    }
}
