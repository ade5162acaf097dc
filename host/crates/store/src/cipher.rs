//! The one way in which the store encrypts: AES-256-GCM under keys that are used once.
//!
//! ```text
//! key, purpose, salt (16 random bytes) ── HMAC-SHA-256 ──> key of one message, nonce 0, 1, 2 …
//! ```
//! A nonce of 96 random bits is safe for some billions of messages under one key, and a domain
//! that lives for years writes more rows than that. So a key that encrypts many things never does
//! so itself: each thing has a key of its own, derived with a salt of 128 random bits, and counts
//! its nonces from zero. No salt, nonce or counter is kept anywhere, so nothing goes back with a
//! restored backup.
//!
//! How it fails: what does not fit its tag is `None`, never other bytes. What it does not know:
//! whose keys these are and where they are kept.

use std::cell::RefCell;
use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a key.
pub(crate) const KEY: usize = 32;
/// Bytes of a salt.
pub(crate) const SALT: usize = 16;
/// Bytes an encrypted message is longer than a plain one, its salt aside.
pub(crate) const TAG: usize = 16;

/// What a derived key is for: the same salt never meets two purposes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The frames of one encoding of a body.
    Frames,
    /// The private part of a content.
    Content,
    /// The key of a content, for one owner.
    Wrap,
    /// A row.
    Row,
    /// A name, as a key of a table shows it.
    Name,
    /// An owner's key in the key file.
    Slot,
    /// The proof in the key file that this is its master key.
    Master,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Frames => b"postroom frames",
            Self::Content => b"postroom content",
            Self::Wrap => b"postroom wrap",
            Self::Row => b"postroom row",
            Self::Name => b"postroom name",
            Self::Slot => b"postroom slot",
            Self::Master => b"postroom master",
        }
    }
}

/// A salt.
pub(crate) type Salt = [u8; SALT];

/// Random bytes of the system, fetched a page at a time: a call for each would be a third of the
/// cost of a small message.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    const POOL: usize = 1024;
    struct Pool(Box<[u8; POOL]>, usize);
    thread_local! {
        static LEFT: RefCell<Pool> = RefCell::new(Pool(Box::new([0; POOL]), POOL));
    }
    LEFT.with_borrow_mut(|Pool(bytes, used)| {
        if *used + N > POOL {
            SystemRandom::new()
                .fill(&mut bytes[..])
                .expect("getrandom(2) fails only before the system has started");
            *used = 0;
        }
        let taken = &mut bytes[*used..*used + N];
        *used += N;
        let mut out = [0; N];
        out.copy_from_slice(taken);
        // Given out once, and then not to be found in memory.
        taken.zeroize();
        out
    })
}

/// A key of 256 bits. Cleared when it goes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SecretKey(Zeroizing<[u8; KEY]>);

impl SecretKey {
    /// A new one.
    pub(crate) fn random() -> Self {
        Self(Zeroizing::new(random()))
    }

    /// From its bytes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut key = Zeroizing::new([0; KEY]);
        if bytes.len() != KEY {
            return None;
        }
        key.copy_from_slice(bytes);
        Some(Self(key))
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY] {
        &self.0
    }

    /// Ready to derive from.
    pub(crate) fn deriving(&self) -> DerivingKey {
        DerivingKey(hmac::Key::new(hmac::HMAC_SHA256, &self.0[..]))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// A key that only ever derives others.
#[derive(Clone)]
pub(crate) struct DerivingKey(hmac::Key);

impl fmt::Debug for DerivingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DerivingKey(..)")
    }
}

impl DerivingKey {
    fn derive(&self, purpose: Purpose, input: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(purpose.label());
        context.update(&[0]);
        context.update(input);
        context.sign()
    }

    /// The key of one message or of one run of frames.
    pub(crate) fn single(&self, purpose: Purpose, salt: &Salt) -> SingleKey {
        let derived = self.derive(purpose, salt);
        let key = UnboundKey::new(&AES_256_GCM, derived.as_ref())
            .expect("a tag of SHA-256 has the 32 bytes of the key");
        SingleKey(LessSafeKey::new(key))
    }

    /// Salt, ciphertext and tag.
    pub(crate) fn encrypt(&self, purpose: Purpose, associated: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(SALT + plain.len() + TAG);
        self.encrypt_onto(&mut out, purpose, associated, plain);
        out
    }

    /// Appends salt, ciphertext and tag.
    pub(crate) fn encrypt_onto(
        &self,
        out: &mut Vec<u8>,
        purpose: Purpose,
        associated: &[u8],
        plain: &[u8],
    ) {
        let salt: Salt = random();
        out.extend_from_slice(&salt);
        let start = out.len();
        out.extend_from_slice(plain);
        self.single(purpose, &salt)
            .encrypt(0, associated, out, start);
    }

    /// The plain bytes, if these were made by [`DerivingKey::encrypt`] with the same key, purpose
    /// and associated data.
    pub(crate) fn decrypt(
        &self,
        purpose: Purpose,
        associated: &[u8],
        sealed: &[u8],
    ) -> Option<Vec<u8>> {
        let (salt, sealed) = sealed.split_first_chunk::<SALT>()?;
        let mut bytes = sealed.to_vec();
        let length = self
            .single(purpose, salt)
            .decrypt(0, associated, &mut bytes)?
            .len();
        bytes.truncate(length);
        Some(bytes)
    }

    /// What stands for a name where a key of a table shows it: the same for the same name, and
    /// says nothing about it without the key.
    pub(crate) fn token(&self, name: &str) -> [u8; SALT] {
        let tag = self.derive(Purpose::Name, name.as_bytes());
        *tag.as_ref()
            .first_chunk()
            .expect("a tag of SHA-256 has more than 16 bytes")
    }
}

/// A derived key. Each nonce is for one message: whoever has the key counts.
pub(crate) struct SingleKey(LessSafeKey);

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

impl SingleKey {
    /// Encrypts what `out` has from `start` on, in place, and appends the tag.
    pub(crate) fn encrypt(&self, number: u64, associated: &[u8], out: &mut Vec<u8>, start: usize) {
        let tag = self
            .0
            .seal_in_place_separate_tag(nonce(number), Aad::from(associated), &mut out[start..])
            .expect("a message is far below the 64 GiB of the cipher");
        out.extend_from_slice(tag.as_ref());
    }

    /// Decrypts in place; the plain bytes are at the front.
    pub(crate) fn decrypt<'a>(
        &self,
        number: u64,
        associated: &[u8],
        sealed: &'a mut [u8],
    ) -> Option<&'a mut [u8]> {
        self.0
            .open_in_place(nonce(number), Aad::from(associated), sealed)
            .ok()
    }
}
