//! The embedded engine against the contract of [`sheave_store::Store`].

use std::sync::Arc;

use sheave_store::{
    CommitError, Durability, EmbeddedStore, Expectation, OpenError, Revision, Store, Transaction,
    WatchError,
};

fn open(directory: &tempfile::TempDir) -> EmbeddedStore {
    EmbeddedStore::open(&directory.path().join("store.redb")).expect("opens")
}

async fn put(store: &EmbeddedStore, key: &'static str, durability: Durability) -> Revision {
    store.commit(Transaction::new().put(key, "value"), durability).await.expect("written")
}

#[tokio::test]
async fn a_transaction_happens_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory);
    let first = put(&store, "a", Durability::Synced).await;
    let refused = store
        .commit(
            Transaction::new()
                .expect("a", Expectation::Revision(first))
                .expect("b", Expectation::Revision(first))
                .put("a", "new")
                .put("b", "new"),
            Durability::Synced,
        )
        .await;
    assert!(matches!(refused, Err(CommitError::Unexpected { current: None, .. })));
    assert_eq!(store.get(b"a").await.unwrap().unwrap().revision, first);
    let second = store
        .commit(
            Transaction::new()
                .expect("a", Expectation::Revision(first))
                .expect("b", Expectation::Absent)
                .put("b", "new")
                .delete("a"),
            Durability::Synced,
        )
        .await
        .unwrap();
    assert!(second > first);
    let listing = store.list(b"").await.unwrap();
    assert_eq!(listing.revision, second);
    assert_eq!(listing.entries.len(), 1);
    assert_eq!(listing.entries[0].key, "b");
}

#[tokio::test]
async fn relaxed_writes_are_visible_ordered_and_durable_after_close() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory);
    let mut watch = store.watch(b"", 1);
    let a = put(&store, "a", Durability::Relaxed).await;
    let b = put(&store, "b", Durability::Relaxed).await;
    assert!(a < b);
    assert_eq!(store.list(b"").await.unwrap().entries.len(), 2);
    assert_eq!(watch.next().await.unwrap()[0].revision, a);
    let removed = Transaction::new().expect("a", Expectation::Revision(a)).delete("a");
    let c = store.commit(removed, Durability::Relaxed).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let store = open(&directory);
    let listing = store.list(b"").await.unwrap();
    assert_eq!(listing.revision, c, "a clean close skips no revision");
    assert_eq!(listing.entries[0].key, "b");
    assert_eq!(listing.entries[0].revision, b);
}

#[tokio::test]
async fn revisions_go_on_after_a_restart_and_old_watches_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory);
    let before = put(&store, "a", Durability::Synced).await;
    let newest = put(&store, "a", Durability::Synced).await;
    store.close().await.unwrap();
    assert!(store.get(b"a").await.is_err(), "closed");
    drop(store);
    let store = open(&directory);
    let refused = store.watch(b"", before).next().await;
    assert!(matches!(refused, Err(WatchError::Compacted { .. })));
    let mut watch = store.watch(b"", newest);
    let after = put(&store, "a", Durability::Synced).await;
    assert!(after > newest);
    assert_eq!(watch.next().await.unwrap()[0].revision, after);
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let _store = open(&directory);
    let again = EmbeddedStore::open(&directory.path().join("store.redb"));
    assert!(matches!(again, Err(OpenError::Locked(_))));
}

#[tokio::test]
async fn what_is_no_store_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let text = "this is no database\n".repeat(1000);
    std::fs::write(&path, &text).unwrap();
    let Err(OpenError::Corrupt { .. }) = EmbeddedStore::open(&path) else { panic!("opened") };
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_file_cut_short_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let store = open(&directory);
    for _ in 0..100 {
        put(&store, "key", Durability::Synced).await;
    }
    store.close().await.unwrap();
    drop(store);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    let Err(error) = EmbeddedStore::open(&path) else { panic!("opened") };
    assert!(error.to_string().contains("is damaged"), "{error}");
}

/// Watches begun at any moment, under concurrent writers, see every later revision once and in
/// order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_neither_skip_nor_repeat_nor_reorder() {
    const WRITERS: usize = 8;
    const WRITES: usize = 60;
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(open(&directory));
    let written: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut revisions = Vec::new();
                for n in 0..WRITES {
                    let durability =
                        if n % 3 == 0 { Durability::Relaxed } else { Durability::Synced };
                    let write = Transaction::new().put(format!("{writer}/{}", n % 5), "v");
                    revisions.push(store.commit(write, durability).await.unwrap());
                }
                revisions
            })
        })
        .collect();
    let watches: Vec<_> = (0..6)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let after = store.list(b"").await.unwrap().revision;
                let mut watch = store.watch(b"", after);
                let mut seen = Vec::new();
                while !seen.contains(&(1 + (WRITERS * WRITES) as u64)) {
                    seen.extend(watch.next().await.unwrap().iter().map(|batch| batch.revision));
                }
                (after, seen)
            })
        })
        .collect();
    let mut all = Vec::new();
    for writer in written {
        all.extend(writer.await.unwrap());
    }
    all.sort_unstable();
    for watch in watches {
        let (after, seen) = watch.await.unwrap();
        let expected: Vec<_> = all.iter().copied().filter(|revision| *revision > after).collect();
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn too_large_a_value_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory);
    let large = Transaction::new().put("a", vec![0; sheave_store::VALUE_BYTES_MAX + 1]);
    let refused = store.commit(large, Durability::Synced).await;
    assert!(matches!(refused, Err(CommitError::TooLarge { what: "value", .. })));
}

/// Relaxed writes cost no fsync of their own, and wait for it no longer than a few seconds.
#[tokio::test]
async fn relaxed_writes_reach_the_file_together_and_soon() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let store = open(&directory);
    let in_file = || std::fs::read(&path).unwrap();
    // The first write reserves revisions in the file.
    put(&store, "first", Durability::Synced).await;
    let before = in_file();
    // Idle for a while first: the time runs from the write on.
    tokio::time::sleep(std::time::Duration::from_millis(3500)).await;
    for _ in 0..20 {
        put(&store, "lease", Durability::Relaxed).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(in_file() == before, "written at once");
    tokio::time::sleep(std::time::Duration::from_millis(3700)).await;
    let contains = |needle: &[u8]| in_file().windows(needle.len()).any(|part| part == needle);
    assert!(contains(b"lease"), "not written in time");
}

/// Wherever a page is damaged, the store says so, or it did not matter.
#[tokio::test]
async fn damage_is_never_read_as_data() {
    const PAGE: usize = 4096;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let store = open(&directory);
    for n in 0..300 {
        let write = Transaction::new().put(format!("key/{n:03}"), vec![b'v'; 1000]);
        store.commit(write, Durability::Relaxed).await.unwrap();
    }
    let intact = store.list(b"").await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let bytes = std::fs::read(&path).unwrap();
    let mut refused = 0;
    for offset in (0..bytes.len()).step_by(PAGE * 8) {
        let mut damaged = bytes.clone();
        for byte in &mut damaged[offset + 700..offset + 760] {
            *byte ^= 0x55;
        }
        std::fs::write(&path, &damaged).unwrap();
        match EmbeddedStore::open(&path) {
            Err(OpenError::Corrupt { .. }) => refused += 1,
            Err(error) => panic!("damage at {offset}: {error}"),
            Ok(store) => {
                let read = store.list(b"").await.unwrap();
                assert_eq!(read.entries, intact.entries, "damage at {offset}");
                store.close().await.unwrap();
            }
        }
    }
    assert!(refused > 0, "no damage was noticed");
}
