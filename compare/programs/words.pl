# Hashes, sorting and regular expressions over made-up words; prints what came of it.
use strict;
use warnings;
my %words;
for my $i (1 .. 900000) { $words{"w" . ($i * 7919 % 5003)} .= chr(97 + $i % 26); }
my @sorted = sort { length $words{$a} <=> length $words{$b} || $a cmp $b } keys %words;
my $text = join ",", map { "$_=$words{$_}" } @sorted;
my $count = () = $text =~ /a[bcd]+e/g;
my @parts = map { [split /=/] } split /,/, $text;
$text =~ s/(\w+)=(\w+)/$2:$1/g;
print scalar(@sorted), " $sorted[0] $sorted[-1] ", length $text, " $count ", scalar(@parts), " ",
    unpack("%32C*", $text), "\n";
