//! Addresses out of header fields: only what is needed to find one's own.

/// The addresses of an address list (RFC 5322 §3.4), in order: those in angle brackets, and those
/// that stand alone. Names, comments, quotes and groups are passed over; what is no address
/// (nothing around an `@`) is left out. Linear, and nothing nested is kept.
///
/// ```text
/// address = mailbox / group ; mailbox = [name] "<" addr-spec ">" / addr-spec
/// ```
pub(crate) fn in_list(value: &str) -> Vec<String> {
    let mut list = List::default();
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => list.quoted(&mut chars),
            '(' => skip_comment(&mut chars),
            '<' => list.open(),
            '>' => list.close(),
            ',' | ';' => list.end(),
            // The name of a group ends here.
            ':' if list.angle.is_none() => list.bare.clear(),
            c if c.is_whitespace() => list.blank(),
            c => list.push(c),
        }
    }
    list.end();
    list.found
}

/// The form in which addresses are compared: lower case, the local part without quotes.
pub(crate) fn key(address: &str) -> String {
    let Some((local, domain)) = address.rsplit_once('@') else {
        return address.to_lowercase();
    };
    let unquoted = local
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let local = match unquoted {
        Some(quoted) => unescaped(quoted),
        None => local.to_owned(),
    };
    format!("{}@{}", local.to_lowercase(), domain.to_lowercase())
}

#[derive(Debug, Default)]
struct List {
    found: Vec<String>,
    bare: String,
    angle: Option<String>,
}

impl List {
    fn target(&mut self) -> &mut String {
        self.angle.as_mut().unwrap_or(&mut self.bare)
    }

    fn push(&mut self, c: char) {
        self.target().push(c);
    }

    /// Words before an address are its name.
    fn blank(&mut self) {
        if self.angle.is_none() && !self.bare.contains('@') {
            self.bare.clear();
        }
    }

    /// A quoted string is a name, or the local part that an `@` follows.
    fn quoted(&mut self, chars: &mut std::str::Chars<'_>) {
        let target = self.target();
        target.push('"');
        while let Some(c) = chars.next() {
            target.push(c);
            match c {
                '"' => return,
                '\\' => target.extend(chars.next()),
                _ => {}
            }
        }
    }

    fn open(&mut self) {
        self.bare.clear();
        self.angle = Some(String::new());
    }

    fn close(&mut self) {
        if let Some(address) = self.angle.take() {
            // An old route, `@a,@b:user@c`, ends at the colon (RFC 5322 §4.4).
            let address = address
                .rsplit_once(':')
                .map_or(address.as_str(), |(_, rest)| rest);
            self.keep(address.to_owned());
        }
        self.bare.clear();
    }

    fn end(&mut self) {
        if self.angle.is_none() {
            let bare = std::mem::take(&mut self.bare);
            self.keep(bare);
        }
    }

    fn keep(&mut self, address: String) {
        let whole = address
            .rsplit_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
        if whole {
            self.found.push(address);
        }
    }
}

fn skip_comment(chars: &mut std::str::Chars<'_>) {
    let mut depth = 1_usize;
    while let Some(c) = chars.next() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            '\\' => drop(chars.next()),
            _ => {}
        }
        if depth == 0 {
            return;
        }
    }
}

fn unescaped(quoted: &str) -> String {
    let mut text = String::with_capacity(quoted.len());
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        text.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    text
}

#[cfg(test)]
mod tests;
