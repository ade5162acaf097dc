//! A trait for each hook. A plugin implements those it has and names them in [`crate::export!`].

use crate::{Context, Message, Outcome, Verdict};

/// Hook `connect`: a client has connected.
pub trait Connect {
    /// Known: `domain`, `direction`, `peer`, `encrypted`, `authenticated`.
    fn connect(context: &Context<'_>) -> Verdict {
        let _ = context;
        Verdict::proceed()
    }
}

/// Hook `ehlo`: the client has said who it is.
pub trait Ehlo {
    /// Known besides: `helo`.
    fn ehlo(context: &Context<'_>) -> Verdict {
        let _ = context;
        Verdict::proceed()
    }
}

/// Hook `mail`: the sender is known.
pub trait Mail {
    /// Known besides: `sender`, `declared-size`, `envelope-id`.
    fn mail(context: &Context<'_>) -> Verdict {
        let _ = context;
        Verdict::proceed()
    }
}

/// Hook `rcpt`: one recipient of the domain.
pub trait Rcpt {
    /// Asked for each recipient.
    fn rcpt(context: &Context<'_>, recipient: &str) -> Verdict {
        let _ = (context, recipient);
        Verdict::proceed()
    }
}

/// Hook `data`: the whole message is here and not yet answered with 250.
pub trait Data {
    /// Asked once for all accepted recipients of the domain.
    fn data(context: &Context<'_>, message: &Message<'_>) -> Verdict {
        let _ = (context, message);
        Verdict::proceed()
    }
}

/// Hook `deliver`: the plugin is a delivery option.
pub trait Deliver {
    /// Delivers an accepted message for one recipient. What was sent, filed or written during the
    /// call happens when it returns [`Outcome::done`].
    fn deliver(context: &Context<'_>, message: &Message<'_>) -> Outcome {
        let _ = (context, message);
        Outcome::not_mine()
    }
}

/// Hook `start`: a fresh instance, before its first other hook.
pub trait Start {
    /// An error fails the call that needed the instance.
    fn start() -> Result<(), String> {
        Ok(())
    }
}

/// Hook `check-config`: may this configuration be used?
pub trait CheckConfig {
    /// `config` is a JSON text that has passed the schema of the manifest. An error is shown to
    /// the administrator who wanted it.
    fn check_config(config: &str) -> Result<(), String> {
        let _ = config;
        Ok(())
    }
}
