//! End to end: real clients against the real binary on loopback. One scenario a file, all in one
//! test binary.

mod a_250_is_durable;
mod a_data_directory_is_guarded;
mod a_swap_is_atomic_under_load;
mod an_author_makes_a_plugin;
mod an_operator_sets_a_server_up;
mod an_option_without_its_plugin_waits;
mod autoreply_answers_once_and_never_a_machine;
mod domains_of_one_transaction_decide_apart;
mod file_takes_parallel_deliveries_whole;
mod forward_keeps_bytes_and_sender_and_stops_loops;
mod hostile_guests_harm_nobody_else;
mod idle_hears_of_other_sessions;
mod imaplib_finds_every_command;
mod limits_answer_with_their_code;
mod logging_in_takes_the_login_way;
mod mail_goes_in_by_smtp_and_out_by_imap_and_pop3;
mod nothing_acknowledged_is_lost_when_killed;
mod ordinary_clients_read_what_was_sent;
mod program_gets_the_exact_bytes;
mod shared_folders_are_read_by_members_only;
mod sigterm_lets_open_sessions_end;
mod the_command_line_tells_what_happened;
mod the_message_way_holds_on_the_wire;
