//! The folders of the simulated disk: which names there are, and which of them a power loss leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::content::Content;
use crate::Rng;

/// What a name points to.
#[derive(Clone)]
pub(super) enum Node {
    File(Arc<Inode>),
    Folder(Arc<Folder>),
}

impl Node {
    fn id(&self) -> u64 {
        match self {
            Self::File(inode) => inode.id,
            Self::Folder(folder) => folder.id,
        }
    }
}

/// A file without its names; it lives as long as a name or a handle holds it.
pub(super) struct Inode {
    pub(super) id: u64,
    content: Mutex<Content>,
}

impl Inode {
    pub(super) fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A folder.
pub(super) struct Folder {
    id: u64,
    entries: Mutex<Entries>,
}

type Names = BTreeMap<String, Node>;

#[derive(Default)]
struct Entries {
    current: Names,
    durable: Names,
}

impl Folder {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, name: &str) -> Option<Node> {
        self.entries().current.get(name).cloned()
    }

    fn is_empty(&self) -> bool {
        self.entries().current.is_empty()
    }
}

/// One name set or unset.
struct Edit {
    folder: Arc<Folder>,
    name: String,
    node: Option<Node>,
}

/// Edits that reach the disk together or not at all: a rename has two.
struct Change(Vec<Edit>);

impl Change {
    fn apply(&self, side: impl Fn(&mut Entries) -> &mut Names) {
        for edit in &self.0 {
            let mut entries = edit.folder.entries();
            match &edit.node {
                Some(node) => side(&mut entries).insert(edit.name.clone(), node.clone()),
                None => side(&mut entries).remove(&edit.name),
            };
        }
    }

    fn folders(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|edit| edit.folder.id)
    }
}

/// All folders, and the changes to them that are not durable.
pub(super) struct Tree {
    root: Arc<Folder>,
    /// In the order they were made.
    unsynced: Vec<Change>,
    id_next: u64,
}

impl Tree {
    pub(super) fn new() -> Self {
        let root = Arc::new(Folder { id: 0, entries: Mutex::default() });
        Self { root, unsynced: Vec::new(), id_next: 1 }
    }

    /// What is at `path`.
    pub(super) fn get(&self, path: &Path) -> io::Result<Node> {
        let mut node = Node::Folder(Arc::clone(&self.root));
        for name in names(path)? {
            node = match node {
                Node::File(_) => return Err(io::ErrorKind::NotADirectory.into()),
                Node::Folder(folder) => folder.get(name).ok_or(io::ErrorKind::NotFound)?,
            };
        }
        Ok(node)
    }

    /// The folder at `path`.
    pub(super) fn folder(&self, path: &Path) -> io::Result<Arc<Folder>> {
        match self.get(path)? {
            Node::Folder(folder) => Ok(folder),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        Ok(self.folder(path)?.entries().current.keys().cloned().collect())
    }

    /// The file at `path`, made if there is none.
    pub(super) fn file_or_create(&mut self, path: &Path) -> io::Result<Arc<Inode>> {
        let (folder, name) = self.locate(path)?;
        match folder.get(&name) {
            Some(Node::File(inode)) => Ok(inode),
            Some(Node::Folder(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => {
                let inode = Arc::new(Inode { id: self.id(), content: Mutex::default() });
                self.change(vec![Edit {
                    folder,
                    name,
                    node: Some(Node::File(Arc::clone(&inode))),
                }]);
                Ok(inode)
            }
        }
    }

    pub(super) fn create_dir_all(&mut self, path: &Path) -> io::Result<()> {
        let mut folder = Arc::clone(&self.root);
        let names: Vec<String> = names(path)?.into_iter().map(str::to_owned).collect();
        let count = names.len();
        for (number, name) in names.into_iter().enumerate() {
            folder = match folder.get(&name) {
                Some(Node::Folder(child)) => child,
                // The words of mkdir: the last name exists, or one on the way is no folder.
                Some(Node::File(_)) if number + 1 == count => {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => {
                    let child = Arc::new(Folder { id: self.id(), entries: Mutex::default() });
                    let node = Some(Node::Folder(Arc::clone(&child)));
                    self.change(vec![Edit { folder, name, node }]);
                    child
                }
            };
        }
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (from_folder, from_name) = self.locate(from)?;
        let (to_folder, to_name) = self.locate(to)?;
        let node = from_folder.get(&from_name).ok_or(io::ErrorKind::NotFound)?;
        let (from, to) = (names(from)?, names(to)?);
        match (&node, to_folder.get(&to_name)) {
            // Into itself.
            (Node::Folder(_), _) if from.len() < to.len() && to.starts_with(&from) => {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            // Onto a folder that holds it.
            _ if to.len() < from.len() && from.starts_with(&to) => {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            // Two names of one thing: POSIX says to do nothing.
            (_, Some(there)) if there.id() == node.id() => return Ok(()),
            (Node::File(_), Some(Node::Folder(_))) => {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            (Node::Folder(_), Some(Node::File(_))) => {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            (Node::Folder(_), Some(Node::Folder(there))) if !there.is_empty() => {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            (Node::File(_), Some(Node::File(_)) | None)
            | (Node::Folder(_), Some(Node::Folder(_)) | None) => {}
        }
        self.change(vec![
            Edit { folder: from_folder, name: from_name, node: None },
            Edit { folder: to_folder, name: to_name, node: Some(node) },
        ]);
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        let (folder, name) = self.locate(path)?;
        match folder.get(&name).ok_or(io::ErrorKind::NotFound)? {
            Node::File(_) => self.change(vec![Edit { folder, name, node: None }]),
            Node::Folder(_) => return Err(io::ErrorKind::IsADirectory.into()),
        }
        Ok(())
    }

    /// Removes name by name, the deepest first, as the real one does: power may fail between any
    /// two.
    pub(super) fn remove_dir_all(&mut self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.locate(path)?;
        let folder = match parent.get(&name).ok_or(io::ErrorKind::NotFound)? {
            Node::File(_) => return Err(io::ErrorKind::NotADirectory.into()),
            Node::Folder(folder) => folder,
        };
        let inside = folder.entries().current.clone();
        for (child, node) in inside {
            match node {
                Node::File(_) => {
                    self.change(vec![Edit {
                        folder: Arc::clone(&folder),
                        name: child,
                        node: None,
                    }]);
                }
                Node::Folder(_) => self.remove_dir_all(&path.join(child))?,
            }
        }
        self.change(vec![Edit { folder: parent, name, node: None }]);
        Ok(())
    }

    pub(super) fn hard_link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.get(from)?;
        let (folder, name) = self.locate(to)?;
        if folder.get(&name).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        match node {
            Node::File(_) => self.change(vec![Edit { folder, name, node: Some(node) }]),
            Node::Folder(_) => return Err(io::ErrorKind::PermissionDenied.into()),
        }
        Ok(())
    }

    /// Makes every change to the folder durable, and with each whatever it is entangled with: the
    /// other half of a rename, and what happened before in that other folder.
    pub(super) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        let mut folders = BTreeSet::from([self.folder(path)?.id]);
        let mut synced = Vec::new();
        let mut left = Vec::new();
        for change in std::mem::take(&mut self.unsynced).into_iter().rev() {
            if change.folders().any(|folder| folders.contains(&folder)) {
                folders.extend(change.folders());
                synced.push(change);
            } else {
                left.push(change);
            }
        }
        left.reverse();
        self.unsynced = left;
        synced.iter().rev().for_each(|change| change.apply(|entries| &mut entries.durable));
        Ok(())
    }

    /// Power loss: of each folder the first few unsynced changes survive, or all, or none.
    pub(super) fn crash(&mut self, rng: &mut Rng) {
        let survival = [0.0, 0.5, 0.9, 1.0][usize::try_from(rng.below(4)).unwrap_or(0)];
        let mut stopped = BTreeSet::new();
        for change in std::mem::take(&mut self.unsynced) {
            let survives = rng.chance(survival);
            if survives && !change.folders().any(|folder| stopped.contains(&folder)) {
                change.apply(|entries| &mut entries.durable);
            } else {
                stopped.extend(change.folders());
            }
        }
        self.settle();
        self.files().iter().for_each(|file| file.content().crash(rng));
    }

    /// Power loss that takes all that was not synced.
    pub(super) fn crash_all_lost(&mut self) {
        self.unsynced.clear();
        self.settle();
        self.files().iter().for_each(|file| file.content().crash_all_lost());
    }

    /// Every file that has a name, once, in the order of the names.
    pub(super) fn files(&self) -> Vec<Arc<Inode>> {
        let mut seen = BTreeSet::new();
        let mut files = Vec::new();
        self.visit(|node| match node {
            Node::File(inode) if seen.insert(inode.id) => files.push(Arc::clone(inode)),
            Node::File(_) | Node::Folder(_) => {}
        });
        files
    }

    /// Shows of every folder what the disk has.
    fn settle(&self) {
        let settle = |folder: &Folder| {
            let mut entries = folder.entries();
            entries.current = entries.durable.clone();
        };
        settle(&self.root);
        self.visit(|node| match node {
            Node::Folder(folder) => settle(folder),
            Node::File(_) => {}
        });
    }

    /// Calls with every node below the root, a folder before what it holds.
    fn visit(&self, mut with: impl FnMut(&Node)) {
        let mut folders = vec![Arc::clone(&self.root)];
        while let Some(folder) = folders.pop() {
            let nodes: Vec<Node> = folder.entries().current.values().cloned().collect();
            for node in nodes {
                with(&node);
                match node {
                    Node::Folder(folder) => folders.push(folder),
                    Node::File(_) => {}
                }
            }
        }
    }

    /// The folder that holds `path`, and the last name.
    fn locate(&self, path: &Path) -> io::Result<(Arc<Folder>, String)> {
        let name = names(path)?.last().copied().ok_or(io::ErrorKind::IsADirectory)?.to_owned();
        let folder = self.folder(super::super::parent(path))?;
        Ok((folder, name))
    }

    fn change(&mut self, edits: Vec<Edit>) {
        let change = Change(edits);
        change.apply(|entries| &mut entries.current);
        self.unsynced.push(change);
    }

    fn id(&mut self) -> u64 {
        let id = self.id_next;
        self.id_next += 1;
        id
    }
}

/// The names that lead to `path`. Relative paths start at the root; `..` is refused, because
/// nothing here needs it.
fn names(path: &Path) -> io::Result<Vec<&str>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => {
                names.push(name.to_str().ok_or(io::ErrorKind::InvalidFilename)?)
            }
            Component::ParentDir | Component::Prefix(_) => {
                return Err(io::ErrorKind::InvalidFilename.into());
            }
        }
    }
    Ok(names)
}
