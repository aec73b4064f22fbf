//! The only owner of CRI: pods, volumes, probes, images, logs, exec, status.
