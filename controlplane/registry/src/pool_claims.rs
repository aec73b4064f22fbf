//! Claims on load balancer addresses, brought in step with the pool at start.
//!
//! Which addresses in the status of Services are claims depends on the pool: other load balancers may
//! share theirs. So when the pool is another one than at the last start, the claims are made anew from the
//! Services; from then on each write keeps them.

use std::collections::{BTreeMap, HashSet};

use sheave_api::{ObjectKey, resource};
use sheave_store::{CommitError, Durability, Store, Transaction};

use crate::admission::{Claim, Ranges};
use crate::cache::feed::Sink;

const POOL: &str = "settings/load-balancer-pool";

/// Must run before anybody writes. True when claims were changed in the store, which the sink does not know.
pub(crate) async fn renew(
    sink: &Sink,
    store: &dyn Store,
    ranges: &Ranges,
) -> Result<bool, CommitError> {
    let pool = ranges.load_balancer.to_string();
    let made_for = store.get(POOL.as_bytes()).await?.map(|entry| entry.value).unwrap_or_default();
    if made_for == pool {
        return Ok(false);
    }
    let transaction = changes(&sink.claims.load_balancer_ips(), &wanted(sink, ranges));
    store.commit(transaction.put(POOL, pool), Durability::Synced).await.map(|_| true)
}

/// Of two Services that had one address before it belonged to the pool, the first one keeps it.
fn wanted(sink: &Sink, ranges: &Ranges) -> BTreeMap<Claim, ObjectKey> {
    let mut wanted = BTreeMap::new();
    let services = sink.cache.by_resource(&resource::SERVICES.to_string());
    for entry in services.iter().flat_map(|services| services.all()) {
        for claim in ranges.claims_of(&entry.value()) {
            if matches!(claim, Claim::LoadBalancerIp(_)) {
                wanted.entry(claim).or_insert_with(|| entry.key.clone());
            }
        }
    }
    wanted
}

fn changes(held: &HashSet<Claim>, wanted: &BTreeMap<Claim, ObjectKey>) -> Transaction {
    let mut transaction = Transaction::new();
    for (claim, owner) in wanted {
        transaction = transaction.put(claim.key(), owner.to_string());
    }
    for claim in held.iter().filter(|claim| !wanted.contains_key(claim)) {
        transaction = transaction.delete(claim.key());
    }
    transaction
}
