package op

// All is the table of verbs. A new verb is one value in its noun's file and
// one line here.
func All() []Verb {
	return []Verb{
		Apply.Verb(),
		ModelGet.Verb(), ModelList.Verb(), ModelDelete.Verb(),
		VersionRegister.Verb(), VersionGet.Verb(), VersionList.Verb(), VersionDelete.Verb(),
		AliasSet.Verb(), AliasGet.Verb(), AliasList.Verb(), AliasDelete.Verb(),
		TargetGet.Verb(), TargetList.Verb(), TargetDelete.Verb(),
		EndpointGet.Verb(), EndpointList.Verb(), EndpointStatus.Verb(), EndpointDelete.Verb(),
		ReleaseCreate.Verb(), ReleaseGet.Verb(), ReleaseList.Verb(), ReleaseStatus.Verb(), ReleaseExplain.Verb(),
		ReleasePause.Verb(), ReleaseResume.Verb(), ReleasePromote.Verb(), ReleaseApprove.Verb(),
		ReleaseAbort.Verb(), ReleaseRetry.Verb(), ReleaseUndo.Verb(), ReleaseDelete.Verb(),
		LedgerList.Verb(), LedgerEntries.Verb(), LedgerCheckpoint.Verb(), LedgerVerify.Verb(),
		TokenCreate.Verb(), TokenGet.Verb(), TokenList.Verb(), TokenRevoke.Verb(),
		ServerInfo.Verb(),
	}
}

// ByName finds a verb: "release pause".
func ByName(name string) (Verb, bool) {
	for _, v := range All() {
		if v.Name == name {
			return v, true
		}
	}
	return Verb{}, false
}
