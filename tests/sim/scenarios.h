// More of what happens to a party; each is a cmocka test whose state is a struct party_files.
#pragma once

void a_link_of_the_simulation_is_what_it_says(void **state);

void relay_5_broadcasts_reach_all_others_once(void **state);
void relay_8_a_joining_client_is_announced_first(void **state);
void relay_8_a_joining_gateway_learns_of_the_clients_first(void **state);
void relay_13_a_leave_is_told_with_its_reason(void **state);
void joins_over_any_delay(void **state);
void joins_over_a_bad_line(void **state);
void joins_over_a_long_bad_line(void **state);
void reordered_and_duplicated_packets(void **state);
void a_path_that_is_too_narrow_is_refused_with_a_sentence(void **state);
void a_long_narrow_path_joins_a_relay_that_asks_for_little(void **state);
void a_killed_relay_comes_back(void **state);
void a_relay_that_ends_in_order_comes_back(void **state);
void silence_is_timed_out_and_the_client_comes_back(void **state);
void a_restarted_client_takes_its_place_back(void **state);
void a_refused_client_tries_ever_more_seldom(void **state);
void a_slow_line_ages_frames_and_stalls_nothing(void **state);
void a_blocked_socket_stalls_nothing(void **state);
void sockets_that_are_nearly_full(void **state);
void loop_a_bridged_client_is_isolated_and_let_in_again(void **state);
void loop_on_a_longer_path_is_found_as_soon(void **state);
void loop_two_gateways_on_one_lan_raise_no_alarm(void **state);

// splits.c
void split_full_frames_cross_every_path_at_once(void **state);
void split_over_loss_and_reordering(void **state);
void split_a_part_that_comes_too_late(void **state);
void split_a_slow_line_carries_whole_frames(void **state);
void split_a_narrow_path_and_a_relay_without_it(void **state);

#define SCENARIOS                                                                                            \
	cmocka_unit_test(a_link_of_the_simulation_is_what_it_says),                                          \
		cmocka_unit_test(relay_5_broadcasts_reach_all_others_once),                                  \
		cmocka_unit_test(relay_8_a_joining_client_is_announced_first),                               \
		cmocka_unit_test(relay_8_a_joining_gateway_learns_of_the_clients_first),                     \
		cmocka_unit_test(relay_13_a_leave_is_told_with_its_reason),                                  \
		cmocka_unit_test(joins_over_any_delay), cmocka_unit_test(joins_over_a_bad_line),             \
		cmocka_unit_test(joins_over_a_long_bad_line),                                                \
		cmocka_unit_test(reordered_and_duplicated_packets),                                          \
		cmocka_unit_test(a_path_that_is_too_narrow_is_refused_with_a_sentence),                      \
		cmocka_unit_test(a_long_narrow_path_joins_a_relay_that_asks_for_little),                     \
		cmocka_unit_test(a_killed_relay_comes_back),                                                 \
		cmocka_unit_test(a_relay_that_ends_in_order_comes_back),                                     \
		cmocka_unit_test(silence_is_timed_out_and_the_client_comes_back),                            \
		cmocka_unit_test(a_restarted_client_takes_its_place_back),                                   \
		cmocka_unit_test(a_refused_client_tries_ever_more_seldom),                                   \
		cmocka_unit_test(a_slow_line_ages_frames_and_stalls_nothing),                                \
		cmocka_unit_test(a_blocked_socket_stalls_nothing),                                           \
		cmocka_unit_test(sockets_that_are_nearly_full),                                              \
		cmocka_unit_test(loop_a_bridged_client_is_isolated_and_let_in_again),                        \
		cmocka_unit_test(loop_on_a_longer_path_is_found_as_soon),                                    \
		cmocka_unit_test(loop_two_gateways_on_one_lan_raise_no_alarm),                               \
		cmocka_unit_test(split_full_frames_cross_every_path_at_once),                                \
		cmocka_unit_test(split_over_loss_and_reordering),                                            \
		cmocka_unit_test(split_a_part_that_comes_too_late),                                          \
		cmocka_unit_test(split_a_slow_line_carries_whole_frames),                                    \
		cmocka_unit_test(split_a_narrow_path_and_a_relay_without_it)
