//! Attributes, one by one. What they mean together is checked afterwards.

use crate::change::{DomainChanges, GroupChanges, PersonChanges, Set};
use crate::{DomainEntry, GroupEntry, PersonEntry, ServiceAccess};

/// Attributes of a domain as the change wants them.
pub(super) fn domain(entry: &mut DomainEntry, changes: &DomainChanges) {
    let changes = changes.clone();
    changes.aliases.apply_or_default(&mut entry.aliases);
    changes.status.apply_or_default(&mut entry.status);
    changes.mail_status.apply_or_default(&mut entry.mail_status);
    services(changes.services, &mut entry.services);
    changes
        .administrators
        .apply_or_default(&mut entry.administrators);
    changes.postmaster.apply(&mut entry.postmaster);
    changes.catch_all.apply(&mut entry.catch_all);
    changes.smart_host.apply(&mut entry.smart_host);
    changes
        .service_names
        .apply_or_default(&mut entry.service_names);
    changes.quota_bytes.apply_or_default(&mut entry.quota_bytes);
    changes
        .quota_messages
        .apply_or_default(&mut entry.quota_messages);
    changes
        .quota_people
        .apply_or_default(&mut entry.quota_people);
    changes.disabled_text.apply(&mut entry.disabled_text);
    changes
        .people_may_file
        .apply_or_default(&mut entry.people_may_file);
}

/// Attributes of a person as the change wants them.
pub(super) fn person(entry: &mut PersonEntry, changes: &PersonChanges) {
    let changes = changes.clone();
    let PersonChanges {
        uid, message_store, ..
    } = changes;
    match uid {
        Set::Keep => {}
        Set::Clear => entry.uid = entry.mail.localpart().key(),
        Set::To(uid) => entry.uid = uid,
    }
    match message_store {
        Set::Keep => {}
        Set::Clear => entry.message_store = crate::model::primary(),
        Set::To(store) => entry.message_store = store,
    }
    changes.name.apply(&mut entry.name);
    changes
        .alternate_addresses
        .apply_or_default(&mut entry.alternate_addresses);
    changes
        .equivalent_addresses
        .apply_or_default(&mut entry.equivalent_addresses);
    changes.status.apply_or_default(&mut entry.status);
    changes.mail_status.apply_or_default(&mut entry.mail_status);
    services(changes.services, &mut entry.services);
    changes
        .delivery_options
        .apply_or_default(&mut entry.delivery_options);
    changes
        .forwarding_addresses
        .apply_or_default(&mut entry.forwarding_addresses);
    changes.autoreply.apply_or_default(&mut entry.autoreply);
    changes.program.apply(&mut entry.program);
    changes.file.apply(&mut entry.file);
    changes.shared.apply(&mut entry.shared);
    changes.routing_address.apply(&mut entry.routing_address);
    changes.quota_bytes.apply_or_default(&mut entry.quota_bytes);
    changes
        .quota_messages
        .apply_or_default(&mut entry.quota_messages);
    changes.language.apply(&mut entry.language);
    changes.roles.apply_or_default(&mut entry.roles);
}

/// Attributes of a group as the change wants them.
pub(super) fn group(entry: &mut GroupEntry, changes: &GroupChanges) {
    let changes = changes.clone();
    changes.name.apply(&mut entry.name);
    changes
        .alternate_addresses
        .apply_or_default(&mut entry.alternate_addresses);
    changes.members.apply_or_default(&mut entry.members);
    changes.status.apply_or_default(&mut entry.status);
    changes
        .delivery_options
        .apply_or_default(&mut entry.delivery_options);
    changes.shared.apply(&mut entry.shared);
    changes
        .forwarding_addresses
        .apply_or_default(&mut entry.forwarding_addresses);
    changes.program.apply(&mut entry.program);
    changes.file.apply(&mut entry.file);
}

fn services(change: Set<crate::ServiceRules>, services: &mut ServiceAccess) {
    match change {
        Set::Keep => {}
        Set::Clear => *services = ServiceAccess::Everything,
        Set::To(rules) => *services = ServiceAccess::Rules(rules),
    }
}
