//! Names of entries, for comparing them (RFC 4514).

/// A distinguished name as a list of `type=value`, the entry's own first, in lower case and
/// without escapes: good for comparing, not for sending.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Dn(Vec<(String, String)>);

impl Dn {
    /// Reads the text form. What is no name is empty, and lies beneath nothing.
    pub(super) fn parse(text: &str) -> Self {
        let parts = split(text);
        let rdn = |part: &String| {
            let (name, value) = part.split_once('=')?;
            Some((
                name.trim().to_lowercase(),
                unescape(value.trim()).to_lowercase(),
            ))
        };
        Self(
            parts
                .iter()
                .map(rdn)
                .collect::<Option<_>>()
                .unwrap_or_default(),
        )
    }

    /// Is it `base`, or beneath it?
    pub(super) fn is_under(&self, base: &Self) -> bool {
        !self.0.is_empty() && self.0.ends_with(&base.0)
    }

    /// How deep it lies.
    pub(super) fn depth(&self) -> usize {
        self.0.len()
    }

    /// The value of its own RDN.
    pub(super) fn own_value(&self) -> Option<&str> {
        self.0.first().map(|(_, value)| value.as_str())
    }

    /// `dc=abc,dc=test,o=internet` as `abc.test`: the `dc` values that it begins with.
    pub(super) fn dc_name(&self) -> String {
        let labels = self.0.iter().take_while(|(name, _)| name == "dc");
        let labels: Vec<&str> = labels.map(|(_, value)| value.as_str()).collect();
        labels.join(".")
    }
}

/// At commas that are not escaped.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut escaped) = (vec![String::new()], false);
    for c in text.chars() {
        let is_end = c == ',' && !escaped;
        escaped = c == '\\' && !escaped;
        if is_end {
            parts.push(String::new());
        } else if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts
}

/// `\2C` and `\,` as `,`.
fn unescape(value: &str) -> String {
    let bytes = value.as_bytes();
    let hex = |at: usize| {
        let digit = |at: usize| (*bytes.get(at)? as char).to_digit(16);
        u8::try_from(digit(at)? * 16 + digit(at + 1)?).ok()
    };
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        if bytes[at] == b'\\' {
            if let Some(byte) = hex(at + 1) {
                out.push(byte);
                at += 3;
                continue;
            }
            at += 1;
        }
        if let Some(&byte) = bytes.get(at) {
            out.push(byte);
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_case_spaces_and_escapes() {
        let cases = [
            ("ou=People, o=Mail", "OU=people,o=mail", true),
            (r"cn=Smith\, Ann,o=mail", r"cn=smith\2C ann,o=mail", true),
            ("uid=ann,o=mail", "uid=bob,o=mail", false),
            (r"cn=a\\,o=mail", r"cn=a\5c,o=mail", true),
        ];
        for (one, other, expected) in cases {
            assert_eq!(
                Dn::parse(one) == Dn::parse(other),
                expected,
                "{one} {other}"
            );
        }
    }

    #[test]
    fn beneath_is_by_whole_names() {
        let base = Dn::parse("ou=abc,o=mail");
        for (name, expected) in [
            ("uid=ann,ou=abc,o=mail", true),
            ("ou=abc,o=mail", true),
            ("uid=ann,ou=xabc,o=mail", false),
            ("o=mail", false),
            ("", false),
            ("nonsense", false),
        ] {
            assert_eq!(Dn::parse(name).is_under(&base), expected, "{name}");
        }
    }

    #[test]
    fn dc_nodes_spell_a_domain() {
        assert_eq!(Dn::parse("dc=ABC,dc=test,o=internet").dc_name(), "abc.test");
        assert_eq!(Dn::parse("ou=abc,dc=test").dc_name(), "");
    }
}
