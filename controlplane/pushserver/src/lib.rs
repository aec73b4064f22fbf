//! The server end of the node protocol: one view and one stream a node.
