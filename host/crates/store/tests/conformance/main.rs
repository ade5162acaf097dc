//! What every backend must do: a table of scenarios and a model, run against both.

mod disk_use;
mod fairness;
mod feed;
mod isolation;
mod mailboxes;
mod messages;
mod model;
mod moving;
mod operations;
mod parallel;
mod queue;
mod restoring;
mod state;
mod world;

/// Each scenario once for each backend, as a test of its own.
macro_rules! scenarios {
    ($($module:ident: $($scenario:ident),+ $(,)?;)+) => {
        mod memory {
            $($(#[test] fn $scenario() { crate::$module::$scenario(&crate::world::World::memory()); })+)+
        }
        mod embedded {
            $($(#[test] fn $scenario() { crate::$module::$scenario(&crate::world::World::embedded()); })+)+
        }
    };
}

scenarios! {
    mailboxes:
        a_mailbox_has_levels_and_one_canonical_name,
        names_that_are_not_allowed_are_refused,
        a_rename_moves_everything_below_and_keeps_ids,
        renaming_the_inbox_moves_its_mail,
        a_deleted_mailbox_leaves_nothing_and_its_name_comes_back_with_a_larger_uid_validity,
        a_shared_mailbox_is_seen_by_its_members_alone,
        rights_decide_what_a_member_may_do,
        subscriptions_are_names;
    messages:
        a_message_is_composed_of_extents_and_read_by_position,
        a_large_body_is_shared_by_all_who_got_it,
        flags_and_keywords_change_with_one_sequence,
        a_copy_has_its_own_identity_and_a_move_keeps_it,
        an_expunge_of_what_is_deleted_takes_no_more,
        i18_changes_since_tells_what_came_changed_and_went,
        i18_the_log_of_expunges_is_bounded_and_says_so,
        i18_a_change_after_the_asked_sequence_is_left_alone,
        i05_an_append_is_all_or_nothing,
        quota_is_exact_in_the_commit,
        i05_copies_keep_to_the_quota_and_moves_take_no_more;
    queue:
        a_row_is_claimed_when_it_is_due_and_settled_once,
        c03_a_stale_lease_is_fenced_off,
        a_retry_keeps_the_row_and_counts,
        follow_up_mail_and_effects_join_the_commit,
        the_next_stages_take_the_place_of_a_row,
        a_parked_row_waits_counts_and_resumes,
        an_administrator_holds_releases_retries_and_removes,
        a_row_of_another_queue_goes_on_where_it_was,
        an_attempt_that_began_is_remembered,
        depth_is_counted_by_domain_and_channel,
        a_worker_is_woken_when_something_is_due;
    fairness:
        one_domains_many_rows_do_not_delay_anothers_one,
        an_attempt_that_began_is_found_among_many;
    feed:
        a_feed_tells_which_mailboxes_changed_also_after_a_restart,
        a_feed_is_of_those_who_may_see_it,
        a_cursor_of_a_future_that_did_not_happen_is_told_so,
        messages_to_be_expunged_are_listed,
        since_when_somebody_is_full_counts_from_the_first_refusal,
        a_row_from_the_queue_keeps_to_the_domains_quota_in_its_commit;
    operations:
        c01_a_repeated_operation_gets_the_first_answer,
        a_refused_operation_changes_nothing,
        a_compare_and_set_that_lost_refuses_the_whole_commit,
        an_accept_writes_every_domain_or_none;
    moving:
        what_is_brought_keeps_its_numbers,
        what_is_there_is_not_brought_twice,
        of_two_who_bring_the_same_one_does,
        counters_that_leave_no_room_are_refused,
        only_the_server_and_the_operator_bring,
        queued_mail_is_brought_as_it_waits,
        all_values_of_plugins_are_paged;
    isolation:
        i16_a_foreign_id_answers_like_a_missing_one,
        i15_a_mailbox_without_rights_answers_like_a_missing_one,
        an_administrator_manages_and_reads_no_mail;
    state:
        kv_values_end_by_themselves,
        settings_belong_to_their_domain,
        traces_are_kept_by_message,
        a_trace_is_found_by_address_message_id_and_row_inside_its_domain,
        what_the_host_did_is_shown_to_the_domain_that_sent_it,
        what_administrators_decide_stands_in_the_trace,
        removing_an_owner_removes_everything_and_nothing_else,
        usage_follows_what_is_stored;
    parallel:
        i17_uids_ascend_as_they_become_visible_under_32_deliveries,
        t03_a_quota_is_never_exceeded_by_a_race,
        a_watch_misses_nothing,
        ids_are_never_given_twice;
}
