//! Connections that the doors hold open, and the open files that they may take for it.

use super::{Error, Layers, Settings, pairs};

impl Settings {
    /// Fits the connections into the files that the process may have open: more of them must not take what storage
    /// needs.
    ///
    /// # Errors
    /// `Bad` where `connections_max` or `cql_connections_max` asks for more.
    pub fn fit_files(&mut self, files: u64) -> Result<(), Error> {
        let all = files / FILES_PER_CONNECTION * DOORS;
        // What drivers have for themselves is not there for the other two.
        let most = match self.cql_connections_max {
            None => all / DOORS,
            Some(cql) => {
                let most = all.saturating_sub(2 * MIN);
                if most < cql {
                    return Err(pairs::connections(self, "cql_connections_max", files, most));
                }
                (all - cql) / 2
            }
        };
        match self.connections_max {
            None => self.connections_max = Some(most.min(AUTO)),
            Some(wanted) if most < wanted => {
                return Err(pairs::connections(self, "connections_max", files, most));
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Connections that the doors for clients and for peers each hold open, and that for CQL drivers where
    /// nothing else is said.
    pub(crate) fn connections(&self) -> usize {
        self.connections_max.unwrap_or(AUTO).try_into().unwrap_or(usize::MAX)
    }

    /// Connections that the door for CQL drivers holds open.
    pub(crate) fn cql_connections(&self) -> usize {
        let own = self.cql_connections_max.map(|it| it.try_into().unwrap_or(usize::MAX));
        own.unwrap_or_else(|| self.connections())
    }
}

/// The connections that a setting allows; none where that is for `fit_files` to find.
pub(super) fn of(layers: &Layers, key: &str) -> Result<Option<u64>, Error> {
    layers.parse(key, "auto, or a number from 4", |text| match text {
        "auto" => Some(None),
        it => it.parse().ok().filter(|it| MIN <= *it).map(Some),
    })
}

/// The fewest connections that a door is of use with: a peer has three.
const MIN: u64 = 4;

/// Without need no door holds more open.
const AUTO: u64 = 4096;

/// Three doors with a quarter each: as much is left for storage, and for HTTP.
const FILES_PER_CONNECTION: u64 = 4;
const DOORS: u64 = 3;
