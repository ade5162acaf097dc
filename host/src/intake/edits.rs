//! A domain's edits of the header section, as pieces: the edited section is that domain's own,
//! the body stays shared.

use plugin::EditedHeader;
use store::Piece;

/// The message as the domain has it. `body` is the whole message as it came.
pub(super) fn apply(edited: Option<&EditedHeader>, whole: Vec<Piece>) -> Vec<Piece> {
    let Some(edited) = edited else { return whole };
    let mut pieces = vec![Piece::Private(edited.header.to_vec())];
    let mut skip = edited.body_offset;
    for piece in whole {
        let (cut, rest) = cut(piece, skip);
        skip = rest;
        pieces.extend(cut);
    }
    pieces
}

/// A piece without its first `skip` bytes, and how many are still to be skipped.
fn cut(piece: Piece, skip: u64) -> (Option<Piece>, u64) {
    match piece {
        Piece::Private(bytes) => {
            let length = bytes.len() as u64;
            if skip >= length {
                return (None, skip - length);
            }
            let start = usize::try_from(skip).unwrap_or(bytes.len());
            (Some(Piece::Private(bytes[start..].to_vec())), 0)
        }
        Piece::Body { length, .. } | Piece::Content { length, .. } if skip >= length => {
            (None, skip - length)
        }
        Piece::Body {
            body,
            offset,
            length,
        } => (
            Some(Piece::Body {
                body,
                offset: offset + skip,
                length: length - skip,
            }),
            0,
        ),
        Piece::Content {
            content,
            offset,
            length,
        } => (
            Some(Piece::Content {
                content,
                offset: offset + skip,
                length: length - skip,
            }),
            0,
        ),
    }
}

#[cfg(test)]
mod tests {
    use store::Piece;

    use super::cut;

    #[test]
    fn skipping_goes_over_pieces() {
        let (none, rest) = cut(Piece::Private(b"abc".to_vec()), 5);
        assert!(none.is_none());
        assert_eq!(rest, 2);
        let (some, rest) = cut(Piece::Private(b"defg".to_vec()), rest);
        assert!(matches!(some, Some(Piece::Private(bytes)) if bytes == b"fg"));
        assert_eq!(rest, 0);
    }
}
