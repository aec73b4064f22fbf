//! What cannot work is refused: one clear sentence with the remedy, an exit code, and nothing left behind.
//!
//! Below is the list of what a user can run into, with the test of each. Not all of them are here: what
//! needs a whole cluster is in `cluster_refusals.rs`, what needs an API server alone in `server_api.rs`,
//! and what a crate can show with its own program stands beside that crate.

mod api;
mod disk;
mod join;
mod machine;
mod private;
mod start;

/// What is wrong, the file of its test from the checkout's root, and the test.
const INDEX: &[(&str, &str, &str)] = &[
    ("not root", "tests/tests/refusals/machine.rs", "without_root_each_program_asks_for_it"),
    ("port taken", "tests/tests/refusals/start.rs", "a_taken_port_is_named"),
    ("port taken", "controlplane/tests/start/main.rs", "a_taken_port_is_named_and_nothing_is_made"),
    ("no cgroup v2", "tests/tests/refusals/machine.rs", "without_cgroup_v2_nothing_starts"),
    (
        "no BTF",
        "tests/tests/refusals/machine.rs",
        "without_btf_the_agent_says_what_is_lost_and_runs",
    ),
    (
        "bpffs not mounted",
        "tests/tests/refusals/machine.rs",
        "without_a_bpf_file_system_the_agent_mounts_one_or_says_why_not",
    ),
    ("containerd missing", "tests/tests/refusals/machine.rs", "without_containerd_nothing_starts"),
    (
        "image missing",
        "tests/tests/cluster_refusals.rs",
        "a_missing_image_is_told_in_status_and_events",
    ),
    ("unknown field", "tests/tests/refusals/api.rs", "an_unknown_field_is_named"),
    ("wrong type", "tests/tests/refusals/api.rs", "a_wrong_type_is_named"),
    ("port out of range", "tests/tests/refusals/api.rs", "a_port_out_of_range_is_named"),
    ("name taken", "tests/tests/refusals/api.rs", "a_taken_name_is_named"),
    (
        "stale resourceVersion",
        "tests/tests/refusals/api.rs",
        "a_stale_resource_version_is_a_conflict",
    ),
    (
        "client without certificate",
        "tests/tests/refusals/api.rs",
        "who_shows_no_certificate_is_told_how_to_log_in",
    ),
    ("CNI config with a bad range", "tests/tests/cni/main.rs", "errors_have_their_codes"),
    (
        "address range exhausted",
        "tests/tests/cni/main.rs",
        "an_exhausted_range_is_a_clear_error_and_makes_nothing",
    ),
    (
        "address range exhausted",
        "tests/tests/cluster_refusals.rs",
        "a_pod_without_an_address_says_that_the_range_is_exhausted",
    ),
    ("disk full", "tests/tests/refusals/disk.rs", "on_a_full_disk_nothing_starts"),
    (
        "disk full",
        "tests/tests/refusals/disk.rs",
        "a_disk_that_fills_up_refuses_writes_until_there_is_room",
    ),
    ("disk full", "controlplane/tests/start/main.rs", "a_full_disk_says_so_and_how_to_go_on"),
    ("disk full", "tests/tests/store_crash_full_disk.rs", "a_full_disk_is_said_and_survived"),
    ("disk full", "tests/tests/cni/main.rs", "a_full_disk_is_said_and_makes_nothing"),
    (
        "data directory not writable",
        "tests/tests/refusals/start.rs",
        "a_data_directory_that_is_not_writable_is_named",
    ),
    (
        "token wrong, expired, revoked, used up",
        "tests/tests/refusals/join.rs",
        "a_token_that_is_wrong_revoked_or_over_does_not_let_a_machine_join",
    ),
    (
        "too many wrong tokens",
        "tests/tests/refusals/join.rs",
        "whoever_tries_many_tokens_has_to_wait",
    ),
    (
        "server of another cluster",
        "tests/tests/refusals/join.rs",
        "a_server_of_another_cluster_is_told_nothing",
    ),
    (
        "node name taken",
        "tests/tests/refusals/join.rs",
        "a_taken_node_name_is_refused_with_both_ways_out",
    ),
    (
        "node removed",
        "tests/tests/refusals/join.rs",
        "a_certificate_of_a_removed_node_is_worth_nothing",
    ),
    (
        "server away, or no Sheave server",
        "tests/tests/refusals/join.rs",
        "a_server_that_is_away_or_something_else_is_told_apart",
    ),
    (
        "addresses overlap with the machine's",
        "tests/tests/refusals/join.rs",
        "a_network_of_the_machine_that_overlaps_with_the_clusters_is_named",
    ),
    (
        "machine has a control plane",
        "tests/tests/refusals/join.rs",
        "a_machine_with_a_control_plane_is_no_other_clusters_node",
    ),
];

#[test]
fn each_item_has_its_test() {
    for (item, file, test) in INDEX {
        let path = sheave_tests::cluster::root().join(file);
        let source = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{item}: {}: {error}", path.display()));
        let declared = format!("#[test]\nfn {test}() {{");
        assert!(source.contains(&declared), "{item}: {file} has no test {test}");
    }
}
