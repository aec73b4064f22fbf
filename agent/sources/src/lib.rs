//! Where desired state comes from: the push stream of our control plane, or a file.
