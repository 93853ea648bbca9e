# Stand-in for the packages feed's file of this name: a choice of the build tree's menu,
# which says nothing about a package that is built.

RUST_ARCH_DEPENDS := @HAS_RUST
