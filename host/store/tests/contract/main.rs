//! What every store promises: one suite, run over every engine.
//!
//! A test is a function over an [`Engine`](support::Engine). [`contract!`] lists them all and makes a module of tests for
//! an engine; a test that is missing in the list is an unused function, and does not pass clippy. Tests wait for
//! conditions; the limit on each is there for what hangs.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

mod accounts;
mod alias;
mod audit;
mod broadcasts;
mod commit;
mod consents;
mod dedup;
mod desk;
mod embedded;
mod enqueue;
mod inbox;
mod order;
mod outbox;
mod parking;
mod permits;
mod players;
mod recovery;
mod redis;
// The tests of Redis itself use more of it.
#[allow(dead_code)]
#[path = "../support/redis_server.rs"]
mod redis_server;
mod releases;
mod sending;
mod status;
mod support;
mod templates;
mod timers;
mod two_factor;
mod uploads;
mod verifications;

/// All of the contract, for one engine: `contract!(name, Engine);`
macro_rules! contract {
    ($name:ident, $engine:ty) => {
        mod $name {
            contract!(@tests $engine,
                inbox {
                    what_goes_in_comes_out
                    a_thousand_events_of_one_post_stay_in_order
                    an_empty_post_is_no_harm
                    too_much_is_refused_whole
                    one_games_flood_leaves_room_for_others
                    events_larger_than_memory_come_out_too
                }
                order {
                    events_of_a_conversation_come_in_order
                    a_taken_conversation_is_not_handed_out_again
                    what_is_left_at_release_comes_again
                    what_arrives_while_taken_comes_after_release
                    a_delayed_conversation_waits_for_its_time
                    games_take_turns
                    no_two_takers_get_the_same
                }
                dedup {
                    a_repetition_has_no_effect
                    a_repetition_within_a_post_has_no_effect
                    a_repetition_after_a_restart_has_no_effect
                    keys_differ_by_second_and_digest
                    without_a_key_nothing_is_a_repetition
                    many_tasks_with_the_same_ids_add_each_once
                    keys_are_known_for_fifteen_days_by_both_clocks
                    a_key_without_a_time_is_known_for_fifteen_days_from_its_arrival
                    a_key_without_a_time_is_one_event_wherever_it_is_sent
                    any_batches_leave_each_id_once
                }
                alias {
                    phone_and_bsuid_are_one_conversation
                    a_contact_learned_outdates_a_step_under_way
                    the_phone_wins_and_the_bsuid_moves
                    numbers_and_games_keep_apart
                    a_committed_contact_moves_the_names
                    a_commit_takes_no_name_back_that_moved
                    a_new_contact_begins_one_conversation
                    names_survive_a_restart
                }
                commit {
                    a_step_is_written_whole
                    a_second_commit_of_the_same_step_is_stale
                    a_commit_on_an_old_version_is_stale_and_leaves_nothing
                    a_commit_of_an_event_that_is_gone_is_stale
                    of_two_commits_at_once_one_holds
                    a_stale_commit_disturbs_no_other
                    a_thousand_conversations_commit_at_once
                    a_failed_try_is_counted
                    follow_ups_come_last
                    large_states_are_kept
                }
                outbox {
                    messages_come_out_once_and_in_order
                    more_than_memory_holds_comes_out_in_order
                    many_takers_get_each_message_once
                    no_message_goes_before_an_earlier_one_of_its_conversation
                    begun_sends_are_in_flight_after_a_restart
                    an_accepted_message_is_a_receipt
                    a_message_to_be_tried_again_keeps_its_tries
                    a_dead_message_is_a_dead_letter
                    what_is_done_is_forgotten
                    a_refused_message_becomes_an_event
                    a_failed_message_goes_out_again_under_its_name
                    a_failed_message_can_be_buried
                    a_record_of_an_unknown_message_is_no_harm
                }
                enqueue {
                    many_messages_are_put_in_once
                    an_enqueued_message_goes_to_its_conversation
                    a_key_without_a_time_is_enqueued_once_wherever_it_goes
                    what_is_scheduled_waits_for_its_time
                }
                parking {
                    a_parked_message_holds_up_nobody
                    a_parked_message_is_queued_when_it_is_due
                    few_parked_messages_at_a_time
                    a_status_settles_a_parked_message
                    a_parked_message_can_be_given_up
                    a_full_inbox_does_not_hold_parked_messages_back
                    people_see_what_waits_and_why
                }
                status {
                    statuses_only_move_forward
                    a_failure_is_told_once
                    a_failure_after_delivery_is_not_told
                    statuses_of_others_are_counted
                    a_status_without_reference_finds_a_recent_message
                    a_status_settles_what_is_in_flight
                    a_failure_settles_what_is_in_flight
                    content_is_kept_until_delivery_or_for_a_day
                    receipts_are_kept_for_thirty_days
                    a_failure_of_an_earlier_send_is_old_news
                }
                timers {
                    due_timers_become_events
                    few_at_a_time
                    a_timer_is_replaced_and_cancelled
                    timers_survive_a_restart
                    a_full_inbox_holds_timers_back
                }
                desk {
                    dead_letters_are_listed_by_game_and_place
                    a_dead_event_is_tried_again
                    a_dead_message_is_tried_again
                    tickets_stand_by_priority_and_age
                    a_closed_ticket_tells_its_conversation
                    notices_are_kept_for_ninety_days
                    a_conversation_can_be_looked_at
                    depth_tells_how_much_is_where
                    check_says_that_it_works
                }
                accounts {
                    what_is_known_of_a_player_is_kept
                    no_change_of_a_player_is_lost
                    of_many_claims_to_a_contact_one_holds
                    a_change_that_concerns_nothing_is_made
                    of_a_thousand_messages_with_one_token_one_links
                }
                two_factor {
                    of_a_thousand_uses_of_a_recovery_code_at_once_one_counts
                    of_a_thousand_approvals_of_a_challenge_at_once_one_counts
                    of_an_approval_and_a_denial_at_once_one_counts
                    what_was_asked_of_nobody_is_forgotten
                }
                verifications {
                    of_a_thousand_right_codes_at_once_one_counts
                    a_thousand_wrong_codes_at_once_use_up_the_tries
                    of_many_starts_at_once_the_guards_let_few_through
                    a_game_is_no_other_games_business
                    codes_and_tries_survive_a_crash
                    a_resend_kills_the_code_before_it_in_the_store_too
                    success_ends_what_a_player_has_open_anywhere
                    all_that_a_player_has_open_is_ended
                    a_code_in_the_chat_is_tried_on_what_is_open
                    old_verifications_are_forgotten
                    a_code_goes_on_and_never_back
                }
                sending {
                    what_was_learned_of_sending_survives_a_restart
                    of_pauses_set_at_once_none_is_lost
                }
                uploads {
                    an_upload_is_a_numbers_a_kinds_and_a_contents_own
                    only_the_upload_that_is_meant_is_forgotten
                    an_upload_ends_when_meta_forgets_it
                }
                permits {
                    of_a_thousand_asks_at_once_no_more_than_the_window_holds_are_granted
                    who_holds_a_place_is_granted_it_again
                    windows_slide
                    the_queue_is_told_its_turns
                    a_place_is_given_back_once
                    permits_survive_a_restart_and_a_lower_limit
                    windows_that_are_over_are_forgotten
                }
                broadcasts {
                    one_that_is_forgotten_leaves_nothing
                    a_broadcast_is_kept_and_no_change_of_it_is_lost
                    what_was_started_is_seen_to_until_it_is_closed
                    the_oldest_that_are_over_are_forgotten
                    a_lists_pieces_are_kept_until_they_are_forgotten
                    a_walk_has_each_conversation_of_a_game_once
                    conversations_are_found_at_their_addresses
                    messages_of_unknown_outcome_are_listed_once
                    what_becomes_of_a_campaigns_messages_is_counted_once
                    what_is_parked_of_a_campaign_is_counted_while_it_is
                    what_people_do_after_a_campaigns_message_is_counted_once
                    what_flows_send_by_templates_is_counted_and_is_no_bulk
                }
                consents {
                    marketing_begins_only_while_the_player_agrees
                    of_a_stop_and_a_begin_at_once_one_comes_first
                    marketing_on_a_stale_decision_is_not_queued
                    what_was_told_is_kept_in_order
                    an_export_has_each_record_once
                }
                audit {
                    commits_and_peoples_deeds_make_one_chain
                    a_stale_commit_leaves_no_entry
                    games_have_chains_of_their_own
                    many_at_once_are_linked_once_each
                    a_player_is_erased_and_the_chain_holds
                    a_player_with_very_many_entries_is_erased
                }
                releases {
                    a_release_is_kept_whole
                    a_release_is_activated_and_rolled_back
                    of_changes_at_once_none_is_lost
                    old_releases_are_forgotten_with_their_files
                    tokens_are_kept_and_revoked
                }
                templates {
                    what_is_known_of_templates_survives_a_restart
                    of_news_at_once_none_is_lost
                }
                players {
                    a_player_is_found_in_their_conversations
                    a_player_leaves_when_the_session_says_so
                    many_players_come_and_go_at_once
                    players_are_found_after_a_restart
                }
                recovery {
                    all_that_waits_comes_back
                    numbers_are_never_given_twice
                    any_history_ends_as_a_model_says
                }
            );
        }
    };
    (@tests $engine:ty, $($subject:ident { $($test:ident)* })*) => {
        $(mod $subject {
            $(#[test]
            fn $test() {
                $crate::support::run($crate::$subject::$test::<$engine>());
            })*
        })*
    };
}

contract!(over_embedded, crate::embedded::Embedded);
contract!(over_redis, crate::redis::Redis);
