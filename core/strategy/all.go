package strategy

// Kinds lists every strategy, in the order people should meet them.
func Kinds() []Kind {
	return []Kind{
		canary(),
		shadow(),
		bluegreen(),
	}
}
