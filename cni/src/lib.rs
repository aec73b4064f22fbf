//! The CNI plugin as a library: addresses, veth, routes, and the pinned endpoint map.
