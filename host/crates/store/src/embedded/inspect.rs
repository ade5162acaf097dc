//! Looks at files and rows together: what there is, and whether it fits.
//!
//! Rows are those of a checkpoint made for it. Meanwhile nothing is collected and no file goes.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use mail::BodyId;

use crate::embedded::bodies;
use crate::embedded::collect::{Collector, Work};
use crate::embedded::disk::Mode;
use crate::embedded::progress::Wish;
use crate::embedded::{index, segment};
use crate::engine::secrets;
use crate::keyring::Keyring;
use crate::rows::{BodyAtRow, BodyRow, decode, is_settled};
use crate::upkeep::{Checked, Files, Stats, Step, Told};
use crate::view::{Base, Layered, Order, View, ViewExt, Walk};
use crate::{Error, Result, audit, keys};

/// Bytes of a body read at once.
const CHUNK: u64 = 1024 * 1024;

fn view<'a>(base: &'a Base, keyring: &'a Keyring) -> Layered<'a> {
    Layered {
        layers: Vec::new(),
        base: Some(base),
        is_closed: false,
        keyring,
    }
}

impl Collector {
    /// Rows as of now. Of a store that takes no changes any more: as of its last checkpoint.
    fn snapshot(&self) -> Result<Arc<Base>> {
        if let Ok(next) = self.run_operation(|tx| Ok(tx.sequence)) {
            self.wait(
                Wish::Checkpoint,
                |durable, _| durable.sequence + 1 >= next,
                || self.is_ended(),
            );
        }
        self.shared.layers().snapshot().ok_or(Error::Busy)
    }

    pub(super) fn all_stats(&self, told: Told<'_>) -> Result<Stats> {
        let work = self.work();
        let base = self.snapshot()?;
        let view = view(&base, &self.shared.keyring);
        let mut stats = audit::stats(&view, told)?;
        let failed = |error: std::io::Error| Error::Damaged(error.to_string());
        stats.log = self.files(segment::DIRECTORY).map_err(failed)?;
        stats.body_files = self.files(bodies::DIRECTORY).map_err(failed)?;
        let index = self.disk.open(index::FILE, Mode::Read);
        stats.index = Files {
            files: 1,
            bytes: index.and_then(|file| file.length()).map_err(failed)?,
        };
        for (id, settled) in &work.manifest.bodies {
            stats.settled_bodies.files += 1;
            stats.settled_bodies.bytes += settled.bytes;
            stats.settled_raw += settled.raw;
            stats.settled_dead += view.row::<u64>(&keys::dead(*id))?.unwrap_or_default();
        }
        for settled in work.manifest.rows.values() {
            stats.settled_rows.files += 1;
            stats.settled_rows.bytes += settled.bytes;
            stats.settled_count += settled.count;
        }
        stats.collecting_failed = work.failure();
        Ok(stats)
    }

    fn files(&self, directory: &str) -> std::io::Result<Files> {
        let mut files = Files::default();
        for name in self.disk.list(directory)? {
            match self.disk.open(&format!("{directory}/{name}"), Mode::Read) {
                Ok(file) => {
                    files.files += 1;
                    files.bytes += file.length()?;
                }
                // It went meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(files)
    }

    pub(super) fn check_all(&self, deep: bool, told: Told<'_>) -> Result<Checked> {
        let work = self.work();
        let _pin = self.pins.pin();
        let base = self.snapshot()?;
        let view = view(&base, &self.shared.keyring);
        let mut found = audit::check(&view, &mut *told)?;
        self.check_bodies(&work, &view, deep, told, &mut found)?;
        Ok(found)
    }

    /// Every place leads to a file, every file has a row, and with `deep` every byte is right.
    fn check_bodies(
        &self,
        work: &Work,
        view: &Layered<'_>,
        deep: bool,
        told: Told<'_>,
        found: &mut Checked,
    ) -> Result<()> {
        let names = |directory: &str| -> Result<BTreeSet<String>> {
            let names = self.disk.list(directory);
            let names = names.map_err(|error| Error::Damaged(error.to_string()))?;
            Ok(names.into_iter().collect())
        };
        let mut files = names(bodies::DIRECTORY)?;
        let log = names(segment::DIRECTORY)?;
        let total = base_bodies(view)?;
        let mut alive: HashMap<u64, u64> = HashMap::new();
        let places = keys::bodies_at();
        let mut done = 0;
        view.walk(
            &places,
            &keys::after(&places),
            Order::Ascending,
            &mut |key, value| {
                let id = BodyId(keys::last_number(key));
                let Some(row) = view.row::<BodyRow>(&keys::body(id))? else {
                    return Ok(Walk::Continue(()));
                };
                let at: BodyAtRow = decode(value)?;
                let is_there = match at {
                    BodyAtRow::File => files.remove(file_name(&bodies::path(id))),
                    BodyAtRow::Segment { segment, .. } | BodyAtRow::Encoded { segment, .. }
                        if is_settled(segment) =>
                    {
                        *alive.entry(segment).or_default() += row.length;
                        work.manifest.bodies.contains_key(&segment)
                    }
                    BodyAtRow::Segment { segment, .. } | BodyAtRow::Encoded { segment, .. } => {
                        log.contains(file_name(&segment::path(segment)))
                    }
                };
                if !is_there {
                    found.problem("body", format!("body {id}: its file is not there"));
                } else if deep {
                    found.bodies_read += 1;
                    if let Err(error) = self.read_body(id, at, row.length) {
                        found.problem("damage", error.to_string());
                    }
                }
                done += row.length;
                told(Step {
                    what: "bytes",
                    done,
                    total,
                });
                Ok(Walk::Continue(()))
            },
        )?;
        for name in files {
            self.check_stray(view, &name, found)?;
        }
        for (id, settled) in &work.manifest.bodies {
            let dead: u64 = view.row(&keys::dead(*id))?.unwrap_or_default();
            let counted = settled.raw - alive.get(id).copied().unwrap_or_default().min(settled.raw);
            if dead != counted && !settled.is_new {
                let path = segment::path(*id);
                let what = format!("{path}: {dead} dead bytes, counted {counted}");
                found.problem("counter", what);
            }
        }
        Ok(())
    }

    fn read_body(&self, id: BodyId, at: BodyAtRow, length: u64) -> Result<()> {
        let key = secrets::body_key(&self.shared.layers().view(), id)?;
        let body = match self.shared.bodies.open(id, at, length, key.as_ref()) {
            // Nobody's key opens it from here: whoever has it will see.
            Err(Error::Damaged(_)) if key.is_none() => return Ok(()),
            opened => opened?,
        };
        let mut buffer = Vec::new();
        let mut offset = 0;
        while offset < length {
            let take = (length - offset).min(CHUNK);
            buffer.clear();
            body.read_at(offset, take as usize, &mut buffer)?;
            offset += take;
        }
        Ok(())
    }

    /// A file of a body that no row names. One that this process began may be on its way in.
    fn check_stray(&self, view: &Layered<'_>, name: &str, found: &mut Checked) -> Result<()> {
        let Some(id) = bodies::id_of(name).filter(|id| id.0 < self.first_id) else {
            return Ok(());
        };
        if !view.exists(&keys::body(id))? && !self.shared.layers().view().exists(&keys::body(id))? {
            found.problem("body", format!("body {id}: a file, and no row has it"));
        }
        Ok(())
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Bytes of all bodies.
fn base_bodies(view: &Layered<'_>) -> Result<u64> {
    let mut total = 0;
    let prefix = keys::table(mail::Tenant::HOST.domain(), keys::Table::Body);
    view.walk(
        &prefix,
        &keys::after(&prefix),
        Order::Ascending,
        &mut |_, value| {
            total += decode::<BodyRow>(value)?.length;
            Ok(Walk::Continue(()))
        },
    )?;
    Ok(total)
}
