//! LIST, LSUB and STATUS (RFC 3501 §6.3.8 to §6.3.10, RFC 5258, RFC 5819, RFC 6154).

use std::collections::{BTreeMap, HashSet, VecDeque};

use mail::words;

use super::job::{Context, Finish, Job, Progress, Single};
use crate::MailboxName;
use crate::ask::{Answer, Ask, DeletedSize, MailboxEntry, MailboxKind, MailboxStatus, SpecialUse};
use crate::command::{ListQuery, StatusItem};
use crate::output::Output;
use crate::pattern::Pattern;

/// Patterns times mailboxes that one LIST looks at.
const BUDGET: usize = 1_000_000;

pub(super) fn job(query: ListQuery) -> Box<dyn Job> {
    let command = if query.lsub { "LSUB" } else { "LIST" };
    Box::new(ListJob {
        query,
        command,
        asked: false,
        lines: VecDeque::new(),
        status_of: None,
    })
}

pub(super) fn status(name: MailboxName, items: Vec<StatusItem>) -> Box<dyn Job> {
    let ask = Ask::Status {
        name: name.clone(),
        deleted_size: deleted_size(&items),
    };
    Box::new(Single::new(
        ask,
        move |answer, context: &mut Context<'_>| match answer {
            Answer::Status(status) => {
                write_status(&name, &items, &status, context.out);
                Finish::done("STATUS")
            }
            other => Finish::of_wrong_answer(&other, context.config),
        },
    ))
}

fn deleted_size(items: &[StatusItem]) -> DeletedSize {
    if items.contains(&StatusItem::DeletedStorage) {
        DeletedSize::Counted
    } else {
        DeletedSize::Unknown
    }
}

struct ListJob {
    query: ListQuery,
    command: &'static str,
    asked: bool,
    /// What is to be written.
    lines: VecDeque<Line>,
    /// Whose numbers were asked for.
    status_of: Option<MailboxName>,
}

/// One line of the answer.
struct Line {
    name: MailboxName,
    attributes: Vec<&'static str>,
    selectable: bool,
    /// Shown for what is subscribed below it (RFC 5258 §3.5).
    child_info: bool,
}

impl Job for ListJob {
    fn poll(&mut self, context: &mut Context<'_>) -> Progress {
        if self.query.separator_only {
            context.out.untagged("LIST (\\Noselect) \"/\" \"\"");
            return Progress::Finish(Finish::done(self.command));
        }
        if !self.asked {
            self.asked = true;
            return Progress::Ask(Ask::List);
        }
        while !context.out.is_full() {
            let Some(line) = self.lines.pop_front() else {
                return Progress::Finish(Finish::done(self.command));
            };
            line.write(self.command, context.out);
            if line.selectable && !self.query.status.is_empty() {
                self.status_of = Some(line.name.clone());
                return Progress::Ask(Ask::Status {
                    name: line.name,
                    deleted_size: deleted_size(&self.query.status),
                });
            }
        }
        Progress::Full
    }

    fn answer(&mut self, answer: Answer, context: &mut Context<'_>) -> Result<(), Finish> {
        match (self.status_of.take(), answer) {
            (Some(name), Answer::Status(status)) => {
                write_status(&name, &self.query.status, &status, context.out);
                Ok(())
            }
            // RFC 5819 §2: a mailbox whose numbers cannot be had is listed without them.
            (Some(_), Answer::Refused(_)) => Ok(()),
            (None, Answer::Mailboxes(entries)) => {
                self.lines = select_lines(&self.query, entries)?;
                Ok(())
            }
            (_, other) => Err(Finish::of_wrong_answer(&other, context.config)),
        }
    }
}

impl Line {
    fn write(&self, command: &str, out: &mut Output) {
        out.text("* ");
        out.text(command);
        out.text(" (");
        out.text(&self.attributes.join(" "));
        out.text(") \"/\" ");
        out.mailbox(&self.name);
        if self.child_info {
            out.text(" (\"CHILDINFO\" (\"SUBSCRIBED\"))");
        }
        out.end();
    }
}

/// All names with the levels above them, in order.
type Tree = BTreeMap<MailboxName, Option<MailboxEntry>>;

fn tree(entries: Vec<MailboxEntry>) -> Tree {
    let mut tree = Tree::new();
    for entry in entries {
        let mut above = entry
            .name
            .parent()
            .filter(|_| entry.kind != MailboxKind::NonExistent);
        while let Some(name) = above {
            above = name.parent();
            tree.entry(name).or_default();
        }
        tree.insert(entry.name.clone(), Some(entry));
    }
    tree
}

fn select_lines(query: &ListQuery, entries: Vec<MailboxEntry>) -> Result<VecDeque<Line>, Finish> {
    let patterns: Option<Vec<Pattern>> = query
        .patterns
        .iter()
        .map(|text| Pattern::new(text))
        .collect();
    let patterns =
        patterns.filter(|patterns| patterns.len().saturating_mul(entries.len()) <= BUDGET);
    let patterns = patterns.ok_or_else(|| Finish::word(&words::IMAP_LIMIT))?;
    let matches = |name: &MailboxName| patterns.iter().any(|pattern| pattern.matches(name));
    let tree = tree(entries);
    let parents: HashSet<MailboxName> = existing(&tree).filter_map(MailboxName::parent).collect();
    let above_subscribed = levels_above_subscribed(query, &patterns, &tree);

    let lines = tree
        .iter()
        .filter(|(name, _)| matches(name))
        .filter_map(|(name, entry)| {
            let line = Line::of(name, entry.as_ref(), query, parents.contains(name));
            line.or_else(|| {
                above_subscribed
                    .contains(name)
                    .then(|| Line::above(name, query))
            })
        });
    Ok(lines
        .chain(missing_levels(&tree, &above_subscribed, &matches, query))
        .collect())
}

fn existing(tree: &Tree) -> impl Iterator<Item = &MailboxName> {
    let gone = |entry: &Option<MailboxEntry>| {
        entry
            .as_ref()
            .is_some_and(|entry| entry.kind == MailboxKind::NonExistent)
    };
    tree.iter()
        .filter(move |(_, entry)| !gone(entry))
        .map(|(name, _)| name)
}

/// Levels above subscribed names that are shown in their stead: with LSUB where the pattern
/// ends in `%` (RFC 3501 §6.3.9), with LIST where RECURSIVEMATCH asks for it (RFC 5258 §3.5).
fn levels_above_subscribed(
    query: &ListQuery,
    patterns: &[Pattern],
    tree: &Tree,
) -> HashSet<MailboxName> {
    let wanted = query.recursive || query.lsub && patterns.iter().any(Pattern::ends_in_percent);
    let mut levels = HashSet::new();
    if !wanted {
        return levels;
    }
    for entry in tree.values().flatten().filter(|entry| entry.subscribed) {
        let shown = patterns.iter().any(|pattern| pattern.matches(&entry.name));
        let mut above = entry.name.parent().filter(|_| !shown || query.recursive);
        while let Some(name) = above {
            above = name.parent();
            levels.insert(name);
        }
    }
    levels
}

/// Levels above subscribed names that are gone stand in no tree.
fn missing_levels<'a>(
    tree: &'a Tree,
    levels: &'a HashSet<MailboxName>,
    matches: &'a dyn Fn(&MailboxName) -> bool,
    query: &'a ListQuery,
) -> impl Iterator<Item = Line> + 'a {
    let missing = levels
        .iter()
        .filter(|name| !tree.contains_key(*name) && matches(name));
    missing.map(|name| Line::above(name, query))
}

impl Line {
    /// The line of an entry, if the selection options let it through.
    fn of(
        name: &MailboxName,
        entry: Option<&MailboxEntry>,
        query: &ListQuery,
        is_parent: bool,
    ) -> Option<Self> {
        let kind = entry.map_or(MailboxKind::NoSelect, |entry| entry.kind);
        let subscribed = entry.is_some_and(|entry| entry.subscribed);
        let special = entry.and_then(|entry| entry.special_use);
        let hidden = kind == MailboxKind::NonExistent && !query.only_subscribed;
        if hidden || query.only_subscribed && !subscribed || query.only_special && special.is_none()
        {
            return None;
        }
        let mut attributes = Vec::new();
        match kind {
            MailboxKind::Selectable => {}
            MailboxKind::NoSelect => attributes.push("\\Noselect"),
            // RFC 3501 knows only \Noselect; RFC 5258 §3.4 adds \NonExistent.
            MailboxKind::NonExistent if query.lsub => attributes.push("\\Noselect"),
            MailboxKind::NonExistent => attributes.push("\\NonExistent"),
        }
        if kind != MailboxKind::NonExistent {
            attributes.push(if is_parent {
                "\\HasChildren"
            } else {
                "\\HasNoChildren"
            });
        }
        if subscribed && query.show_subscribed {
            attributes.push("\\Subscribed");
        }
        attributes.extend(special.map(special_use));
        let selectable = kind == MailboxKind::Selectable;
        Some(Self {
            name: name.clone(),
            attributes,
            selectable,
            child_info: false,
        })
    }

    fn above(name: &MailboxName, query: &ListQuery) -> Self {
        let attributes = if query.lsub {
            vec!["\\Noselect"]
        } else {
            Vec::new()
        };
        Self {
            name: name.clone(),
            attributes,
            selectable: false,
            child_info: !query.lsub,
        }
    }
}

const fn special_use(special: SpecialUse) -> &'static str {
    match special {
        SpecialUse::All => "\\All",
        SpecialUse::Archive => "\\Archive",
        SpecialUse::Drafts => "\\Drafts",
        SpecialUse::Flagged => "\\Flagged",
        SpecialUse::Junk => "\\Junk",
        SpecialUse::Sent => "\\Sent",
        SpecialUse::Trash => "\\Trash",
    }
}

/// `* STATUS "name" (MESSAGES 3 UNSEEN 1)`
fn write_status(
    name: &MailboxName,
    items: &[StatusItem],
    status: &MailboxStatus,
    out: &mut Output,
) {
    out.text("* STATUS ");
    out.mailbox(name);
    out.text(" (");
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.text(" ");
        }
        let named = StatusItem::NAMED.iter().find(|(known, _)| known == item);
        out.text(named.map_or("", |&(_, name)| name));
        out.text(" ");
        match item {
            StatusItem::Messages => out.number(status.messages),
            StatusItem::Recent => out.number(0),
            StatusItem::UidNext => out.number(status.uid_next.0),
            StatusItem::UidValidity => out.number(status.uid_validity.0),
            StatusItem::Unseen => out.number(status.unseen),
            StatusItem::Size => out.number(status.size),
            StatusItem::HighestModSeq => out.number(status.modseq.0),
            StatusItem::Deleted => out.number(status.deleted),
            StatusItem::DeletedStorage => out.number(status.deleted_size),
            StatusItem::MailboxId => {
                out.text("(");
                out.number(status.id);
                out.text(")");
            }
        }
    }
    out.text(")");
    out.end();
}
