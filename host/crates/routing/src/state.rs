//! The states of domains, people and groups, and which of several decides.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The state of one level (`inetDomainStatus`, `mailDomainStatus`, `inetUserStatus`,
/// `mailUserStatus`, `inetMailGroupStatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum State {
    /// Mail comes in, people log in. Also when nothing is said.
    #[default]
    Active,
    /// Not now: 450 4.2.1, no login.
    Inactive,
    /// Not any more: 550 5.2.1 with the domain's own text, no login.
    Disabled,
    /// Gone, purged later: 550 5.1.6, no login.
    Deleted,
    /// As [`State::Deleted`], by the other name of the schema.
    Removed,
    /// Mail is taken and kept aside, no login.
    Hold,
    /// 452 4.2.2; login is allowed, to delete.
    Overquota,
}

/// Not a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a state; states are active, inactive, disabled, deleted, removed, hold, overquota"
)]
pub struct StateError(pub String);

impl State {
    /// All of them, in the order of the schema.
    pub const ALL: [Self; 7] = [
        Self::Active,
        Self::Inactive,
        Self::Disabled,
        Self::Deleted,
        Self::Removed,
        Self::Hold,
        Self::Overquota,
    ];

    /// The value of the attribute.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
            Self::Removed => "removed",
            Self::Hold => "hold",
            Self::Overquota => "overquota",
        }
    }

    /// As a stored value is read: missing is active, an illegal value is inactive.
    pub fn read(stored: Option<&str>) -> Self {
        stored.map_or(Self::Active, |text| text.parse().unwrap_or(Self::Inactive))
    }

    /// Does it end the check where it stands? `hold` and `overquota` do not.
    pub const fn ends_the_check(self) -> bool {
        matches!(
            self,
            Self::Inactive | Self::Disabled | Self::Deleted | Self::Removed
        )
    }

    /// May somebody under it log in? With `overquota` yes, to delete.
    pub const fn allows_login(self) -> bool {
        matches!(self, Self::Active | Self::Overquota)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for State {
    type Err = StateError;
    fn from_str(text: &str) -> Result<Self, StateError> {
        let known = Self::ALL
            .into_iter()
            .find(|state| text.eq_ignore_ascii_case(state.name()));
        known.ok_or_else(|| StateError(text.to_owned()))
    }
}

impl TryFrom<String> for State {
    type Error = StateError;
    fn try_from(text: String) -> Result<Self, StateError> {
        text.parse()
    }
}

impl From<State> for String {
    fn from(state: State) -> Self {
        state.name().to_owned()
    }
}

/// The levels that have a state, from the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// `inetDomainStatus`
    Domain,
    /// `mailDomainStatus`
    DomainMail,
    /// `inetUserStatus`
    Person,
    /// `mailUserStatus`
    PersonMail,
    /// `inetMailGroupStatus`
    Group,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Domain => "domain",
            Self::DomainMail => "domain mail",
            Self::Person => "person",
            Self::PersonMail => "person mail",
            Self::Group => "group",
        })
    }
}

/// What several levels come to together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is in the way.
    Active,
    /// This level refuses.
    Refusing(Level, State),
    /// This level is over its quota, and no level refuses.
    Overquota(Level),
    /// This level holds, and no level refuses or is over quota.
    Hold(Level),
}

/// The chain rule: of `inactive`, `disabled`, `deleted` and `removed` the first level that has
/// one decides, from the top; `hold` and `overquota` do not end the check, and what refuses
/// further down wins over them.
pub fn standing(levels: &[(Level, State)]) -> Standing {
    let first =
        |wanted: fn(State) -> bool| levels.iter().copied().find(|&(_, state)| wanted(state));
    if let Some((level, state)) = first(State::ends_the_check) {
        return Standing::Refusing(level, state);
    }
    if let Some((level, _)) = first(|state| state == State::Overquota) {
        return Standing::Overquota(level);
    }
    first(|state| state == State::Hold).map_or(Standing::Active, |(level, _)| Standing::Hold(level))
}
