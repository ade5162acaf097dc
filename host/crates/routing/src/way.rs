//! The way itself: the steps in their order, for the recipient and for what it expands to.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use mail::{Domain, ForwardPath, Mailbox, Reply, limits};

use crate::steps::{self, Found};
use crate::{
    Answers, Decision, DomainFacts, Entry, Level, Lookup, Request, Routed, Sender, Site, Standing,
    StepName, StepTaken, StoredReply, Target, Way, replies,
};

/// Addresses that one recipient may lead to, targets or not.
const VISITED: usize = 10 * limits::EXPANSION_TARGETS;

/// Takes the message way for one recipient.
///
/// Pure: call it again with more [`Answers`] when it asks for some. It asks for each thing
/// once.
pub fn route(request: &Request, site: &Site, lookup: &dyn Lookup, answers: &Answers) -> Way {
    let mut walk = Walk::new(request.sender, site, lookup, answers);
    let end = match &request.recipient {
        ForwardPath::Mailbox(address) => walk.run(address, 0),
        ForwardPath::Postmaster => walk.site_postmaster(),
    };
    let decision = match end {
        Err(Pause::Dns(domain)) => return Way::NeedsDns(domain),
        Err(Pause::Resolve(address)) => return Way::NeedsResolve(address),
        Ok(()) if walk.is_over_limit() => {
            Decision::Refuse(walk.about_first(replies::list_too_large))
        }
        Ok(()) => walk.decide(),
    };
    Way::Decided(Routed {
        decision,
        domain: walk.domain,
        resolved: walk.resolved,
        steps: walk.steps,
    })
}

/// Something only others know.
pub(crate) enum Pause {
    Dns(Domain),
    Resolve(Mailbox),
}

/// One run of the way.
pub(crate) struct Walk<'a> {
    pub(crate) sender: Sender,
    pub(crate) site: &'a Site,
    pub(crate) lookup: &'a dyn Lookup,
    pub(crate) answers: &'a Answers,
    steps: Vec<StepTaken>,
    targets: Vec<Target>,
    /// The targets again, so that none comes twice.
    known: HashSet<Target>,
    /// What comes next, nearest first.
    waiting: VecDeque<(Mailbox, usize)>,
    is_too_wide: bool,
    /// Every address that was visited, by key.
    visited: HashSet<String>,
    first: Option<Mailbox>,
    domain: Option<Arc<DomainFacts>>,
    resolved: Option<Mailbox>,
    held: Option<Level>,
}

impl<'a> Walk<'a> {
    fn new(sender: Sender, site: &'a Site, lookup: &'a dyn Lookup, answers: &'a Answers) -> Self {
        Self {
            sender,
            site,
            lookup,
            answers,
            steps: Vec::new(),
            targets: Vec::new(),
            known: HashSet::new(),
            waiting: VecDeque::new(),
            is_too_wide: false,
            visited: HashSet::new(),
            first: None,
            domain: None,
            resolved: None,
            held: None,
        }
    }

    /// Takes the steps for one address; what comes of it is in `targets`.
    fn visit(&mut self, address: &Mailbox, depth: usize) -> Result<(), Pause> {
        if self.is_over_limit() || !self.visited.insert(address.key()) {
            return Ok(());
        }
        self.first.get_or_insert_with(|| address.clone());
        if depth > limits::EXPANSION_DEPTH {
            self.note(
                StepName::Expand,
                depth,
                format!(
                    "{address} is more than {} steps away",
                    limits::EXPANSION_DEPTH
                ),
            );
            self.refuse(address, replies::address_loop(address));
            return Ok(());
        }
        match self.steps(address, depth) {
            Ok(()) => Ok(()),
            Err(Stop::Pause(pause)) => Err(pause),
            Err(Stop::Reply(reply)) => {
                self.refuse(address, reply);
                Ok(())
            }
        }
    }

    /// The steps of directory.md in order; the first that answers ends the way.
    fn steps(&mut self, address: &Mailbox, depth: usize) -> Result<(), Stop> {
        let Some(domain) = steps::domain::find(self, address, depth)? else {
            let target = steps::relay::decide(self, address, depth)?;
            self.take(target);
            return Ok(());
        };
        if depth == 0 {
            self.domain = Some(Arc::clone(&domain));
        }
        let held = steps::state::of_domain(self, address, &domain, depth)?;
        self.hold(held);
        match steps::localpart::find(self, address, &domain, depth)? {
            Found::Entry {
                entry,
                address,
                detail,
            } => {
                if depth == 0 {
                    self.resolved = Some(address);
                }
                self.enter(&entry, &domain, detail, depth)
            }
            Found::Addresses(addresses) => {
                self.lead_to(&addresses, depth);
                Ok(())
            }
            Found::Target(target) => {
                self.take(target);
                Ok(())
            }
            Found::Postmaster(localpart) => {
                steps::postmaster::resolve(self, address, localpart, &domain, depth)
            }
        }
    }

    fn enter(
        &mut self,
        entry: &Entry,
        domain: &DomainFacts,
        detail: Option<String>,
        depth: usize,
    ) -> Result<(), Stop> {
        match entry {
            Entry::Person(person) => steps::person::enter(self, person, domain, detail, depth),
            Entry::Group(group) => steps::group::enter(self, group, domain, depth),
            Entry::Alias(alias) => {
                let count = alias.targets.len();
                self.note(
                    StepName::Expand,
                    depth,
                    format!("alias {} stands for {count} address(es)", alias.address),
                );
                self.lead_to(&alias.targets, depth);
                Ok(())
            }
        }
    }

    /// These addresses take the way next, after those that wait already: so each is visited as
    /// near to the recipient as it can be reached, and the bound on depth cuts off nothing else.
    pub(crate) fn lead_to(&mut self, addresses: &[Mailbox], depth: usize) {
        for address in addresses {
            if self.waiting.len() > VISITED {
                // Refused as a whole rather than sent to some.
                self.is_too_wide = true;
                return;
            }
            if !self.visited.contains(&address.key()) {
                self.waiting.push_back((address.clone(), depth + 1));
            }
        }
    }

    /// Visits one address and everything that it leads to.
    fn run(&mut self, address: &Mailbox, depth: usize) -> Result<(), Pause> {
        self.visit(address, depth)?;
        while let Some((address, depth)) = self.waiting.pop_front() {
            self.visit(&address, depth)?;
        }
        Ok(())
    }

    /// Visits one address and says whether it led to anything that takes mail now or later.
    /// What only refused for good is taken back.
    pub(crate) fn try_visit(&mut self, address: &Mailbox, depth: usize) -> Result<bool, Stop> {
        if self.visited.contains(&address.key()) {
            return Ok(is_reached(&self.targets));
        }
        let before = self.targets.len();
        let waiting = std::mem::take(&mut self.waiting);
        self.run(address, depth + 1).map_err(Stop::Pause)?;
        self.waiting = waiting;
        Ok(self.keep_if_reached(before))
    }

    /// As [`Walk::try_visit`], for an entry whose address is not to be looked up.
    pub(crate) fn try_enter(
        &mut self,
        address: &Mailbox,
        entry: &Entry,
        domain: &DomainFacts,
        depth: usize,
    ) -> Result<bool, Stop> {
        let before = self.targets.len();
        let waiting = std::mem::take(&mut self.waiting);
        match self.enter(entry, domain, None, depth) {
            Err(Stop::Reply(reply)) => self.refuse(address, reply),
            end => end?,
        }
        while let Some((address, depth)) = self.waiting.pop_front() {
            self.visit(&address, depth).map_err(Stop::Pause)?;
        }
        self.waiting = waiting;
        Ok(self.keep_if_reached(before))
    }

    fn keep_if_reached(&mut self, before: usize) -> bool {
        let is_reached = is_reached(&self.targets[before..]);
        if !is_reached {
            self.targets.truncate(before);
        }
        is_reached
    }

    /// `<Postmaster>` without a domain (RFC 5321 §4.5.1).
    fn site_postmaster(&mut self) -> Result<(), Pause> {
        let Some(postmaster) = self.site.postmaster.clone() else {
            self.note(
                StepName::Postmaster,
                0,
                "the site names no postmaster".to_owned(),
            );
            return Ok(());
        };
        self.note(
            StepName::Postmaster,
            0,
            format!("the postmaster of the site is {postmaster}"),
        );
        // Nobody relays here: the site itself says where its postmaster is.
        self.run(&postmaster, 1)
    }

    pub(crate) fn note(&mut self, step: StepName, depth: usize, sentence: String) {
        // What a list expands to is told as far as people read it.
        if self.steps.len() < limits::EXPANSION_TARGETS {
            self.steps.push(StepTaken {
                step,
                depth,
                sentence,
            });
        }
    }

    /// Adds a target unless it is there.
    pub(crate) fn take(&mut self, target: Target) {
        if self.known.insert(target.clone()) {
            self.targets.push(target);
        }
    }

    pub(crate) fn hold(&mut self, level: Option<Level>) {
        self.held = self.held.or(level);
    }

    fn refuse(&mut self, address: &Mailbox, reply: Reply) {
        self.take(Target::Refused {
            address: address.clone(),
            reply: StoredReply(reply),
        });
    }

    fn is_over_limit(&self) -> bool {
        self.is_too_wide
            || self.targets.len() > limits::EXPANSION_TARGETS
            || self.visited.len() > VISITED
    }

    /// All targets refused, or none there: a reply. Else the mail is taken.
    fn decide(&mut self) -> Decision {
        let mut refusals = self.targets.iter().map(|target| match target {
            Target::Refused { reply, .. } => Some(&reply.0),
            _ => None,
        });
        if let Some(refusals) = refusals.by_ref().collect::<Option<Vec<&Reply>>>() {
            // A reply that lets the sender try again is worth more than one that does not.
            let transient = refusals.iter().find(|reply| reply.code().is_transient());
            let reply = transient
                .or_else(|| refusals.first())
                .map(|reply| (*reply).clone());
            return Decision::Refuse(
                reply.unwrap_or_else(|| self.about_first(replies::address_loop)),
            );
        }
        Decision::Accept {
            targets: std::mem::take(&mut self.targets),
            held: self.held,
        }
    }

    /// A reply about the recipient; without one only the postmaster of the site was asked for.
    fn about_first(&self, reply: fn(&Mailbox) -> Reply) -> Reply {
        self.first
            .as_ref()
            .map_or_else(replies::no_postmaster, reply)
    }
}

/// Does any target take mail, now or later?
fn is_reached(targets: &[Target]) -> bool {
    targets.iter().any(|target| match target {
        Target::Refused { reply, .. } => reply.0.code().is_transient(),
        _ => true,
    })
}

/// Why the steps for one address ended.
pub(crate) enum Stop {
    /// A step answered.
    Reply(Reply),
    /// A step asks.
    Pause(Pause),
}

impl From<Reply> for Stop {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

/// What a chain of states means for mail: a reply, or the level that holds.
pub(crate) fn admitted(
    standing: Standing,
    address: &Mailbox,
    domain: &DomainFacts,
) -> Result<Option<Level>, Reply> {
    match standing {
        Standing::Active => Ok(None),
        Standing::Hold(level) => Ok(Some(level)),
        Standing::Refusing(level, state) => Err(replies::state(address, domain, level, state)),
        Standing::Overquota(_) => Err(replies::over_quota(address)),
    }
}
