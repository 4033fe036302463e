//! Builds flows: finds or makes what the guest target needs, compiles, and makes the component.
