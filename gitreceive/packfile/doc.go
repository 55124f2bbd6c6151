// Package packfile keeps git's objects: it indexes a pack that comes over the
// wire, reads objects out of packs, and writes packs for the wire or the disk by
// copying what others hold.
//
// It exists beside go-git's package of the same name for what that one does not
// promise, and a server that takes packs from strangers needs:
//
//   - Memory does not grow with the pack. Nothing is read as a whole: blobs stream
//     through, and objects larger than largeBytes are put together in files.
//   - Whatever the bytes say, the result is a pack or an error, within the limits
//     that the caller sets. Deltas of any depth, order and size are resolved
//     without recursion.
//   - Objects are copied from pack to pack as they lie there, still compressed and
//     as deltas, which is what makes serving a clone cheap.
//
// Hashes are computed with collision detection, as git does.
package packfile
