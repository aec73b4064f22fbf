//! The store on a full disk: the writer is told, reads go on, and writes go on once there is room
//! again.
//!
//! Runs on a small tmpfs in a mount namespace of its own, so it needs root and leaves nothing
//! behind.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::Path;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use sheave_store::{CommitError, Durability, EmbeddedStore, Store, Transaction};

/// Room for the writes that a cluster makes once space is back.
const FILLER_BYTES: usize = 4 << 20;

#[test]
fn a_full_disk_is_said_and_survived() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    // The namespace ends with the thread, and the mount with it.
    std::thread::spawn(move || {
        mount_small_tmpfs(&path);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(fill_and_free(&path));
    })
    .join()
    .unwrap();
}

fn mount_small_tmpfs(path: &Path) {
    unshare(CloneFlags::CLONE_NEWNS).expect("this test needs root");
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::empty(), Some("size=16m")).unwrap();
}

async fn fill_and_free(directory: &Path) {
    let filler = directory.join("filler");
    std::fs::write(&filler, vec![0; FILLER_BYTES]).unwrap();
    let file = directory.join("store.redb");
    let store = EmbeddedStore::open(&file).unwrap();
    let mut written = Vec::new();
    let error = loop {
        match put(&store, written.len()).await {
            Ok(revision) => written.push(revision),
            Err(error) => break error,
        }
        assert!(written.len() < 1000, "the disk never fills up");
    };
    assert!(written.len() > 10, "only {} writes fit", written.len());
    assert!(error.to_string().contains("no space left on the device"), "{error}");
    check_readable(&store, &written).await;
    assert!(put(&store, written.len()).await.is_err(), "there is still no room");
    std::fs::remove_file(&filler).unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    let revision = loop {
        match put(&store, written.len()).await {
            Ok(revision) => break revision,
            Err(error) => assert!(Instant::now() < deadline, "no write succeeds: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(revision > *written.last().unwrap());
    written.push(revision);
    check_readable(&store, &written).await;
    store.close().await.unwrap();
    drop(store);
    check_readable(&EmbeddedStore::open(&file).unwrap(), &written).await;
}

async fn put(store: &EmbeddedStore, n: usize) -> Result<u64, CommitError> {
    let write = Transaction::new().put(format!("key/{n:04}"), vec![b'v'; 64 << 10]);
    store.commit(write, Durability::Synced).await
}

/// Everything acknowledged is there; a write that failed is not.
async fn check_readable(store: &EmbeddedStore, written: &[u64]) {
    let deadline = Instant::now() + Duration::from_secs(5);
    let listing = loop {
        match store.list(b"key/").await {
            Ok(listing) => break listing,
            Err(error) => assert!(Instant::now() < deadline, "nothing can be read: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let revisions: Vec<_> = listing.entries.iter().map(|entry| entry.revision).collect();
    assert_eq!(revisions, written);
}
