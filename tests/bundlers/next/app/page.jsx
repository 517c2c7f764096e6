'use client';

import { useEffect, useState } from 'react';
import { compare } from '../compare';

export default function Page() {
  const [text, setText] = useState('computing …');
  useEffect(() => {
    compare().then(
      (result) => setText(JSON.stringify(result)),
      (error) => setText(String(error)),
    );
  }, []);
  return <output>{text}</output>;
}
