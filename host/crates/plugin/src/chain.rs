//! The chain of a domain: which plugins are asked, in which order, with which rights.

use std::sync::Arc;

use mail::{Direction, DomainId};
use serde::{Deserialize, Serialize};

use crate::binding::Binding;
use crate::circuit::OpenCircuit;
use crate::digest::Digest;
use crate::grants::Grants;
use crate::hook::Hook;
use crate::limits::LimitWishes;

/// A chain as it is stored and published: one generation of a domain. What is in it was resolved
/// before: host-level bindings and those of ancestors stand in it too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainSpec {
    /// Counts up with every change of the domain.
    pub generation: u64,
    /// The bindings, in any order.
    pub bindings: Vec<BindingSpec>,
    /// Sum of scores from which a message is kept aside.
    #[serde(default)]
    pub score_quarantine: Option<f64>,
    /// Sum of scores from which a message is refused.
    #[serde(default)]
    pub score_reject: Option<f64>,
}

/// One plugin in one chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BindingSpec {
    /// Its name in the domain.
    pub id: String,
    /// The plugin's name; must be that of the component's manifest.
    pub plugin: String,
    /// The plugin's version, for people.
    pub version: String,
    /// The component.
    pub digest: Digest,
    /// Where it stands.
    #[serde(default)]
    pub level: Level,
    /// Smaller is asked earlier, inside a level.
    #[serde(default)]
    pub order: i32,
    /// Its configuration, a JSON object.
    #[serde(default = "empty_config")]
    pub config: serde_json::Value,
    /// What it may do.
    #[serde(default)]
    pub grants: Grants,
    /// What a failed call means.
    #[serde(default)]
    pub on_failure: FailurePolicy,
    /// May one instance serve several messages? Only where the manifest allows it, too.
    #[serde(default)]
    pub reuse: bool,
    /// For which mail policy hooks are asked.
    #[serde(default = "inbound")]
    pub directions: Vec<Direction>,
    /// The delivery option it serves, where it has the hook `deliver`; else the plugin's name.
    #[serde(default)]
    pub option: Option<String>,
    /// Lower limits.
    #[serde(default)]
    pub limits: LimitWishes,
}

fn empty_config() -> serde_json::Value {
    serde_json::Value::Object(serde_json::Map::new())
}

fn inbound() -> Vec<Direction> {
    vec![Direction::Inbound]
}

/// Where a binding stands; asked in this order. A later level may only tighten what an earlier one
/// decided.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The operator, before the domain.
    HostPre,
    /// A domain further up in the tree.
    Ancestor,
    /// The domain.
    #[default]
    Domain,
    /// A person or list.
    Person,
    /// The operator, after the domain.
    HostPost,
}

impl Level {
    /// May it end the connection?
    pub(crate) const fn is_host(self) -> bool {
        matches!(self, Self::HostPre | Self::HostPost)
    }
}

/// What happens to the message when a call failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailurePolicy {
    /// The client is asked to come again: `451 4.3.0`.
    #[default]
    Tempfail,
    /// As if the plugin were not there.
    Proceed,
    /// Accepted and kept aside.
    Quarantine,
}

/// A published chain: loaded, checked, and unchangeable. Whoever holds one sees one generation.
#[derive(Debug)]
pub struct Chain {
    pub(crate) spec: ChainSpec,
    /// In the order of asking.
    pub(crate) bindings: Vec<Arc<Binding>>,
}

impl Chain {
    /// The chain of a domain that has none.
    pub(crate) fn empty() -> Self {
        let spec = ChainSpec {
            generation: 0,
            bindings: Vec::new(),
            score_quarantine: None,
            score_reject: None,
        };
        Self {
            spec,
            bindings: Vec::new(),
        }
    }

    /// Its generation; 0 is the empty chain of a domain that never had one.
    pub const fn generation(&self) -> u64 {
        self.spec.generation
    }

    /// What it was made of.
    pub const fn spec(&self) -> &ChainSpec {
        &self.spec
    }

    /// Is there a binding with this hook for mail of this direction?
    pub fn has(&self, hook: Hook, direction: Direction) -> bool {
        self.asked(hook, direction).next().is_some()
    }

    /// The delivery options it serves.
    pub fn options(&self) -> impl Iterator<Item = &str> {
        self.bindings
            .iter()
            .filter(|binding| binding.has(Hook::Deliver))
            .map(|binding| binding.option())
    }

    /// The bindings that are left alone for now because they failed too often.
    pub fn open_circuits(&self) -> Vec<OpenCircuit> {
        let open = self.bindings.iter().filter_map(|it| it.open_circuit());
        open.collect()
    }

    /// The bindings that can refuse after RCPT, in order: recipients of domains with equal groups may
    /// share a transaction. Empty: nothing of this chain can refuse then.
    pub fn decision_group(&self, domain: DomainId, direction: Direction) -> DecisionGroup {
        let bindings: Vec<String> = self
            .asked(Hook::Data, direction)
            .map(|binding| binding.spec.id.clone())
            .collect();
        let domain = (!bindings.is_empty()).then_some(domain);
        DecisionGroup { domain, bindings }
    }

    pub(crate) fn asked(
        &self,
        hook: Hook,
        direction: Direction,
    ) -> impl Iterator<Item = &Arc<Binding>> {
        let bindings = self.bindings.iter();
        bindings.filter(move |binding| binding.is_asked(hook, direction))
    }

    pub(crate) fn serving(&self, option: &str) -> Option<&Arc<Binding>> {
        self.bindings
            .iter()
            .find(|binding| binding.has(Hook::Deliver) && binding.option() == option)
    }
}

/// Which recipients decide together about a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct DecisionGroup {
    domain: Option<DomainId>,
    bindings: Vec<String>,
}

impl DecisionGroup {
    /// Can nothing of it refuse after RCPT?
    pub const fn is_free(&self) -> bool {
        self.domain.is_none()
    }
}
