//! The key file: the key of each owner in a slot of its own, outside of the data directory.
//!
//! ```text
//! header, 512 bytes
//!    0  8    magic "PRKEYS01"
//!    8  u32  bytes of a slot, 128
//!   12  u32  reserved, 0
//!   16  16   id of the store
//!   32  32   proof of the master key: salt and tag of an empty message
//!   64  …    reserved, 0
//!  508  u32  crc32c of bytes 0..508
//! slots, 128 bytes each
//!    0  u8   fate: 1 live, 2 condemned, 3 erased
//!    1  u8   owner kind: 0 domain, 1 person, 2 group
//!    2  u8   is there a key?
//!    3  …    reserved, 0
//!    8  u64  domain
//!   16  u64  owner
//!   24  64   the key, encrypted with the master key: salt, ciphertext, tag; zeros without one
//!   88  …    reserved, 0
//!  124  u32  crc32c of bytes 0..124
//! ```
//! A slot is written in place and never moves: destroying a key overwrites the only bytes that
//! have it. Four slots to a sector, so none is ever torn. Slots are never used again: an erased
//! owner stays known as erased.
//!
//! The file is beside the data directory and not in it, so that a copy of the directory holds no
//! key: a key that is destroyed is then destroyed for every such copy too.
//!
//! How it fails: a file that is missing, of another store, of another master key, damaged or
//! older than the data is an [`OpenError::Keys`]. New keys are never made over old data.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mail::DomainId;

use crate::OpenError;
use crate::cipher::{DerivingKey, Purpose, SecretKey};
use crate::embedded::disk::{Disk, DiskFile, Mode};
use crate::embedded::format::StoreId;
use crate::embedded::master::Master;
use crate::keyring::{Fate, Keyring, Slot};
use crate::keys;

pub(crate) const FILE: &str = "owners.keys";
const TEMPORARY: &str = "owners.keys.new";
const MAGIC: [u8; 8] = *b"PRKEYS01";
const HEADER: usize = 512;
const SLOT: usize = 128;
const SEALED: usize = 64;

/// Where the keys of a store are.
#[derive(Debug, Clone)]
pub(crate) struct KeyPlace {
    pub(crate) disk: Arc<dyn Disk>,
    /// For messages.
    pub(crate) root: PathBuf,
    pub(crate) master: Master,
}

/// The open file.
#[derive(Debug)]
pub(crate) struct KeyFile {
    file: Arc<dyn DiskFile>,
    store: StoreId,
    master: DerivingKey,
}

impl KeyPlace {
    /// Opens the keys of a store whose rows know of `noted` keys; makes the file if there never
    /// was one.
    pub(crate) fn open(&self, store: StoreId, noted: u64) -> Result<Keyring, OpenError> {
        let file = match self.disk.open(FILE, Mode::Write) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.begin(store, noted);
            }
            Err(error) => return Err(self.io(error)),
        };
        // A process killed between the rename and its sync left a name that is seen and not
        // durable.
        self.disk.sync_dir("").map_err(|error| self.io(error))?;
        let mut header = [0; HEADER];
        file.read_at(0, &mut header)
            .map_err(|_| self.wrong("it is shorter than its header"))?;
        let master = self.master.find()?.deriving();
        let slots = self.slots(&*file)?;
        match check_header(&header, store, &master) {
            Ok(()) => {}
            Err(Mismatch::Store) if slots.is_empty() && noted == 0 => {
                return self.begin(store, noted);
            }
            Err(mismatch) => return Err(self.wrong(mismatch.text())),
        }
        if (slots.len() as u64) < noted {
            return Err(self.wrong(&format!(
                "it has {} keys and the data needs {noted}: it is older than the data",
                slots.len()
            )));
        }
        let file = KeyFile {
            file,
            store,
            master,
        };
        let slots = self.believe(&file, &slots, noted as usize)?;
        Ok(Keyring::new(file, slots, noted))
    }

    /// The keys of the slots. Those that the store's rows know of were synced: one that cannot be
    /// read is damage. With the others nothing was written yet that is believed, and a killed
    /// process leaves slots that are seen and not durable: they are written again, or cut off.
    /// So are erasures.
    fn believe(
        &self,
        file: &KeyFile,
        bytes: &[[u8; SLOT]],
        noted: usize,
    ) -> Result<Vec<Slot>, OpenError> {
        let mut slots = Vec::with_capacity(bytes.len());
        for (place, slot) in bytes.iter().enumerate() {
            match file.decode(slot) {
                Some(slot) => slots.push(slot),
                None if place < noted => {
                    return Err(self.wrong(&format!("slot {place} is damaged")));
                }
                None => break,
            }
        }
        let again = || -> io::Result<()> {
            for (place, slot) in slots.iter().enumerate() {
                if place >= noted || slot.fate != Fate::Live {
                    file.file.write_at(at(place), &bytes[place])?;
                }
            }
            file.file.set_length(at(slots.len()))?;
            file.sync()
        };
        again().map_err(|error| self.io(error))?;
        Ok(slots)
    }

    /// Makes a file without keys, with its name durable.
    fn begin(&self, store: StoreId, noted: u64) -> Result<Keyring, OpenError> {
        if noted > 0 {
            return Err(self.wrong(&format!("it is missing, and the data needs {noted} keys")));
        }
        let master = self.master.find_or_make()?.deriving();
        let made = || -> io::Result<Arc<dyn DiskFile>> {
            let file = self.disk.open(TEMPORARY, Mode::Create)?;
            file.write_at(0, &encode_header(store, &master))?;
            file.sync()?;
            self.disk.rename(TEMPORARY, FILE)?;
            self.disk.sync_dir("")?;
            Ok(file)
        };
        let file = made().map_err(|error| self.io(error))?;
        let file = KeyFile {
            file,
            store,
            master,
        };
        Ok(Keyring::new(file, Vec::new(), 0))
    }

    /// The bytes of all slots. One that is not there in full is none.
    fn slots(&self, file: &dyn DiskFile) -> Result<Vec<[u8; SLOT]>, OpenError> {
        let length = file.length().map_err(|error| self.io(error))?;
        let count = (length as usize).saturating_sub(HEADER) / SLOT;
        let mut bytes = vec![0; count * SLOT];
        file.read_at(HEADER as u64, &mut bytes)
            .map_err(|error| self.io(error))?;
        Ok(bytes
            .chunks_exact(SLOT)
            .filter_map(|slot| slot.first_chunk().copied())
            .collect())
    }

    fn path(&self) -> PathBuf {
        self.root.join(FILE)
    }

    fn wrong(&self, what: &str) -> OpenError {
        OpenError::Keys {
            path: self.path(),
            what: what.to_owned(),
        }
    }

    fn io(&self, error: io::Error) -> OpenError {
        OpenError::Io {
            path: self.path(),
            error,
        }
    }
}

impl KeyFile {
    /// Writes a slot; durable after [`KeyFile::sync`].
    pub(crate) fn write(&self, place: usize, slot: &Slot) -> io::Result<()> {
        self.file.write_at(at(place), &self.encode(slot))
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn encode(&self, slot: &Slot) -> [u8; SLOT] {
        let mut bytes = [0; SLOT];
        let (domain, owner) = slot.owner;
        let (kind, id) = keys::owner_number(owner);
        bytes[0] = match slot.fate {
            Fate::Live => 1,
            Fate::Condemned => 2,
            Fate::Erased => 3,
        };
        bytes[1] = kind;
        bytes[2] = u8::from(slot.key.is_some());
        bytes[8..16].copy_from_slice(&domain.0.to_le_bytes());
        bytes[16..24].copy_from_slice(&id.to_le_bytes());
        if let Some(key) = &slot.key {
            let whose = self.whose(&bytes);
            let sealed = self.master.encrypt(Purpose::Slot, &whose, key.bytes());
            bytes[24..24 + SEALED].copy_from_slice(&sealed);
        }
        let sum = crc32c::crc32c(&bytes[..124]);
        bytes[124..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// `None`: it is no slot, or not under this master key.
    fn decode(&self, bytes: &[u8; SLOT]) -> Option<Slot> {
        let sum = crc32c::crc32c(&bytes[..124]);
        if bytes[124..] != sum.to_le_bytes() {
            return None;
        }
        let fate = match bytes[0] {
            1 => Fate::Live,
            2 => Fate::Condemned,
            3 => Fate::Erased,
            _ => return None,
        };
        let number = |at: usize| bytes[at..].first_chunk().map(|b| u64::from_le_bytes(*b));
        let owner = keys::owner_of(bytes[1], number(16)?)?;
        let key = match bytes[2] {
            0 => None,
            _ => {
                let sealed = &bytes[24..24 + SEALED];
                let plain = self
                    .master
                    .decrypt(Purpose::Slot, &self.whose(bytes), sealed)?;
                Some(SecretKey::from_bytes(&plain)?)
            }
        };
        Some(Slot {
            owner: (DomainId(number(8)?), owner),
            fate,
            key,
        })
    }

    /// A key is no use in another slot or another file.
    fn whose(&self, slot: &[u8; SLOT]) -> Vec<u8> {
        [&self.store[..], &slot[1..2], &slot[8..24]].concat()
    }
}

/// Where a slot begins.
fn at(place: usize) -> u64 {
    (HEADER + place * SLOT) as u64
}

fn encode_header(store: StoreId, master: &DerivingKey) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&(SLOT as u32).to_le_bytes());
    bytes[16..32].copy_from_slice(&store);
    let proof = master.encrypt(Purpose::Master, &store, &[]);
    bytes[32..64].copy_from_slice(&proof);
    let sum = crc32c::crc32c(&bytes[..508]);
    bytes[508..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// Why a key file is not the right one.
enum Mismatch {
    Damaged,
    Store,
    Master,
}

impl Mismatch {
    fn text(self) -> &'static str {
        match self {
            Self::Damaged => "its header is damaged, or it is no key file",
            Self::Store => "it belongs to another data directory",
            Self::Master => "the master key is not the one it was made with",
        }
    }
}

fn check_header(
    bytes: &[u8; HEADER],
    store: StoreId,
    master: &DerivingKey,
) -> Result<(), Mismatch> {
    let sum = crc32c::crc32c(&bytes[..508]);
    let is_header = bytes[..8] == MAGIC
        && bytes[8..12] == (SLOT as u32).to_le_bytes()
        && bytes[508..] == sum.to_le_bytes();
    if !is_header {
        return Err(Mismatch::Damaged);
    }
    if bytes[16..32] != store {
        return Err(Mismatch::Store);
    }
    match master.decrypt(Purpose::Master, &store, &bytes[32..64]) {
        Some(_) => Ok(()),
        None => Err(Mismatch::Master),
    }
}

/// The directory of the keys where none is named: beside the data, never in it.
///
/// # Errors
/// The data directory has no name, as `/` has none, or is not there to find out its name.
pub fn keys_beside(data: &Path) -> io::Result<PathBuf> {
    let data = match data.file_name() {
        Some(_) => data.to_owned(),
        None => std::fs::canonicalize(data)?,
    };
    let name = data
        .file_name()
        .ok_or_else(|| io::Error::other("the data directory has no name; name [store] keys"))?;
    let mut name = name.to_owned();
    name.push(".keys");
    Ok(data.with_file_name(name))
}
