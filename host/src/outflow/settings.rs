//! The settings of a delivery option, by the names of their directory attributes.

use std::collections::BTreeMap;

use routing::{Autoreply, AutoreplyMode, Delivery};

/// As the plugin's `context.setting` gives them.
pub(super) fn of(delivery: &Delivery) -> BTreeMap<String, Vec<String>> {
    let mut settings = BTreeMap::new();
    let mut set = |name: &str, values: Vec<String>| {
        if !values.is_empty() {
            settings.insert(name.to_owned(), values);
        }
    };
    match delivery {
        Delivery::Autoreply(autoreply) => autoreply_settings(autoreply, &mut set),
        Delivery::Program { label } => set("mailProgramDeliveryInfo", vec![label.clone()]),
        Delivery::Forward { addresses } => {
            set(
                "mailForwardingAddress",
                addresses.iter().map(ToString::to_string).collect(),
            );
        }
        Delivery::File { label } => set("mailDeliveryFileURL", vec![label.clone()]),
        Delivery::Shared { name } => set("mailSharedFolder", vec![name.clone()]),
        Delivery::Mailbox { .. } | Delivery::Members => {}
    }
    settings
}

fn autoreply_settings(autoreply: &Autoreply, set: &mut impl FnMut(&str, Vec<String>)) {
    let mode = match autoreply.mode {
        AutoreplyMode::Reply => "reply",
        AutoreplyMode::Echo => "echo",
    };
    set("mailAutoReplyMode", vec![mode.to_owned()]);
    set("mailAutoReplyText", vec![autoreply.text.clone()]);
    set(
        "mailAutoReplyTextInternal",
        autoreply.text_internal.clone().into_iter().collect(),
    );
    set(
        "mailAutoReplySubject",
        autoreply.subject.clone().into_iter().collect(),
    );
    set(
        "mailAutoReplyTimeOut",
        vec![autoreply.timeout_hours.to_string()],
    );
    let seconds = |at: mail::Timestamp| at.seconds().to_string();
    set(
        "vacationStartDate",
        autoreply.start.map(seconds).into_iter().collect(),
    );
    set(
        "vacationEndDate",
        autoreply.end.map(seconds).into_iter().collect(),
    );
}
