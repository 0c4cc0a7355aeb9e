// Package route answers for the traffic plan of an endpoint: which arm a unit
// (a user's key, or a request's id) belongs to, and how an endpoint and the
// release that moves it compile into the one immutable fairlead.Route that
// gateways serve by.
//
//	Bucket(salt, unit) → 0 … 9999 → Choose(route, bucket) → arm
//	Mirrored(salt, unit, share)   → also send a copy?      (independent of the bucket)
//	Compile(endpoint, release, …) → fairlead.Route
//
// Begin with Compile in compile.go; choose.go is what a gateway runs for every
// request and therefore allocates nothing.
package route
